// Calls STS all the time with the AWS SDK for Go and the credentials that it finds by itself.
// Prints a line of JSON for each call.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func say(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func main() {
	say(map[string]any{"sdk": aws.SDKVersion})
	pause, err := strconv.Atoi(os.Getenv("CALL_EVERY_MS"))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	found, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		panic(err)
	}
	client := sts.NewFromConfig(found)
	for {
		_, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		var refused smithy.APIError
		switch {
		case err == nil:
			say(map[string]any{"ok": true})
		case errors.As(err, &refused):
			say(map[string]any{"ok": false, "code": refused.ErrorCode()})
		default:
			fmt.Fprintln(os.Stderr, err)
			say(map[string]any{"ok": false, "code": fmt.Sprintf("%T", err)})
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}
