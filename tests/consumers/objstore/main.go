// Writes and reads an object all the time with the client of object stores that Thanos has, by the file of configuration
// that Thanos takes. Prints a line of JSON for each call.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/thanos-io/objstore/providers/s3"
	"gopkg.in/yaml.v2"
)

func say(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func bucket(file string) *s3.Bucket {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	var whole struct {
		Config any `yaml:"config"`
	}
	if err := yaml.Unmarshal(text, &whole); err != nil {
		panic(err)
	}
	config, err := yaml.Marshal(whole.Config)
	if err != nil {
		panic(err)
	}
	bucket, err := s3.NewBucket(log.NewLogfmtLogger(os.Stderr), config, "recipe", nil)
	if err != nil {
		panic(err)
	}
	return bucket
}

func main() {
	pause, err := strconv.Atoi(os.Getenv("CALL_EVERY_MS"))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	bucket := bucket(os.Args[1])
	call := func(n int) error {
		text := strconv.Itoa(n)
		if err := bucket.Upload(ctx, "meta.json", strings.NewReader(text)); err != nil {
			return err
		}
		object, err := bucket.Get(ctx, "meta.json")
		if err != nil {
			return err
		}
		defer object.Close()
		read, err := io.ReadAll(object)
		if err == nil && string(read) != text {
			err = fmt.Errorf("wrote %s, read %s", text, read)
		}
		return err
	}
	for n := 0; ; n++ {
		if err := call(n); err == nil {
			say(map[string]any{"ok": true})
		} else {
			fmt.Fprintln(os.Stderr, err)
			say(map[string]any{"ok": false, "code": err.Error()})
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}
