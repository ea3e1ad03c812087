// Answers for `cargo xtask golden cron`: the parser and the search of robfig/cron that Velero has, in Go's time zones.
// One case a line in, one answer a line out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/robfig/cron/v3"
)

type question struct {
	Text     string `json:"text"`
	From     int64  `json:"from"`
	Nanos    int64  `json:"nanos"`
	Duration bool   `json:"duration"`
}

type answer struct {
	Next  []int64 `json:"next,omitempty"`
	Value *int64  `json:"value,omitempty"`
	Error bool    `json:"error,omitempty"`
}

func schedule(text string) (s cron.Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return cron.ParseStandard(text)
}

func of(q question) (a answer) {
	if q.Duration {
		d, err := time.ParseDuration(q.Text)
		if err != nil {
			return answer{Error: true}
		}
		n := int64(d)
		return answer{Value: &n}
	}
	s, err := schedule(q.Text)
	if err != nil || q.Text == "" {
		return answer{Error: true}
	}
	t := time.Unix(q.From, q.Nanos).UTC()
	for i := 0; i < 4; i++ {
		t = s.Next(t)
		if t.IsZero() {
			return answer{Next: append(a.Next, -1)}
		}
		a.Next = append(a.Next, t.Unix())
	}
	return a
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	buffered := bufio.NewWriter(os.Stdout)
	defer buffered.Flush()
	out := json.NewEncoder(buffered)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		if err := out.Encode(of(q)); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}
