// Answers for crates/dr-core/tests/go.rs: Go's durations and the cron parser that Velero has.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/robfig/cron/v3"
)

type input struct {
	Durations []string `json:"durations"`
	Crons     []string `json:"crons"`
	From      []string `json:"from"`
}

type answer struct {
	Text  string   `json:"text"`
	Nanos *int64   `json:"nanos,omitempty"`
	Next  []string `json:"next,omitempty"`
	Error string   `json:"error,omitempty"`
	Cron  bool     `json:"cron,omitempty"`
}

func schedule(text string) (s cron.Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return cron.ParseStandard(text)
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, text := range in.Durations {
		a := answer{Text: text}
		if d, err := time.ParseDuration(text); err != nil {
			a.Error = err.Error()
		} else {
			n := int64(d)
			a.Nanos = &n
		}
		out.Encode(a)
	}
	for _, text := range in.Crons {
		a := answer{Text: text, Cron: true}
		s, err := schedule(text)
		if err != nil {
			a.Error = err.Error()
		} else {
			for _, from := range in.From {
				t, err := time.Parse(time.RFC3339, from)
				if err != nil {
					panic(err)
				}
				for i := 0; i < 3; i++ {
					t = s.Next(t)
					if t.IsZero() {
						a.Next = append(a.Next, "never")
						break
					}
					a.Next = append(a.Next, t.UTC().Format("2006-01-02T15:04:05"))
				}
			}
		}
		out.Encode(a)
	}
}
