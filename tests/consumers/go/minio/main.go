// Calls S3 all the time with minio-go and the credentials that its usual chain finds. Prints a line of JSON for each
// call.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func say(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

// version of minio-go, which has no constant for it.
func version() string {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/minio/minio-go/v7" {
			return module.Version[1:]
		}
	}
	panic("built without minio-go")
}

func main() {
	say(map[string]any{"sdk": version()})
	pause, err := strconv.Atoi(os.Getenv("CALL_EVERY_MS"))
	if err != nil {
		panic(err)
	}
	endpoint, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		panic(err)
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{},
			&credentials.FileAWSCredentials{},
			&credentials.IAM{},
		}),
		Region: os.Getenv("AWS_REGION"),
	})
	if err != nil {
		panic(err)
	}
	for {
		if _, err := client.ListBuckets(context.Background()); err == nil {
			say(map[string]any{"ok": true})
		} else {
			fmt.Fprintln(os.Stderr, err)
			say(map[string]any{"ok": false, "code": minio.ToErrorResponse(err).Code})
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}
