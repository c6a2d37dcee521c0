package document

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// samples are files as organizations have them, of about a kilobyte.
var samples = map[Kind]string{
	MCPServers: `{
  "slug": "issue-tracker",
  "name": "Issue tracker",
  "description": "Lists, reads and changes the issues of all projects, and what people say about them.",
  "type": "http",
  "url": "https://mcp.tracker.example.com/v1/mcp",
  "env": {
    "REGION": "eu-central-1",
    "LOG_LEVEL": {"value": "info", "required": false, "description": "How much the server writes."},
    "API_KEY": {"secret": true, "required": true, "description": "A key of the bot's account."}
  },
  "headers": {
    "Authorization": {"secret": true, "required": true},
    "X-Team": "platform"
  },
  "tools": {
    "list_issues": {"enabled": true, "description": "Lists the open issues of a project, newest first."},
    "read_issue": {"enabled": true, "description": "Reads an issue with all of its comments."},
    "close_issue": {"enabled": false, "description": "Closes an issue, and says why."}
  },
  "x-owner": {"team": "platform", "pager": 1234}
}
`,
	Commands: `{
  "slug": "summarize",
  "name": "Summarize",
  "description": "Says in a few sentences what an issue is about.",
  "prompt": "` + strings.Repeat(`Summarize the issue in two sentences, and keep the numbers.\n`, 10) + `",
  "arguments": [
    {"name": "issue", "description": "The issue's number.", "required": true},
    {"name": "tone", "title": "Tone", "description": "How it shall sound."}
  ]
}
`,
	Toolkits: `{
  "slug": "support",
  "name": "Support",
  "description": "What people who answer customers need.",
  "status": "draft",
  "least_privilege": true,
  "integrations": {
    "issue-tracker": {"tools": ["list_issues", "read_issue"], "prompts": [], "resources": ["projects"]},
    "wiki": {"tools": "*"},
    "mail": {"tools": ["search_mail", "read_mail", "draft_mail"]},
    "calendar": {}
  },
  "skills": ["answer-customers", "find-duplicates", "write-releases"],
  "commands": ["summarize", "translate", "triage"]
}
`,
}

var sampleSkill = []File{
	{Path: SkillFile, Content: []byte("---\nname: answer-customers\ndescription: How to answer customers, and when to ask a person first.\nlicense: internal\n---\n\n" + strings.Repeat("Read the whole thread before you answer.\n", 20))},
	{Path: "scripts/find.sh", Executable: true, Content: []byte("#!/bin/sh\nexec grep -r \"$1\" threads\n")},
}

// live reports the bytes that stay in memory for each value that a function makes.
func live[T any](b *testing.B, produce func() T) {
	const n = 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	held := make([]T, n)
	for i := range held {
		held[i] = produce()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(max(0, float64(after.HeapAlloc)-float64(before.HeapAlloc))/n, "live-B/op")
	runtime.KeepAlive(held)
}

func measure[T any](b *testing.B, name string, produce func() T) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			produce()
		}
		live(b, produce)
	})
}

func BenchmarkDocument(b *testing.B) {
	for _, k := range []Kind{MCPServers, Commands, Toolkits} {
		content := []byte(samples[k])
		root, bad := parseJSON(content, fileDepth)
		if bad != nil {
			b.Fatal(bad.problem(content))
		}
		slug := root.member("slug").text
		parse := func() *Document {
			d, p := ParseFile(k, slug, content, Limits{})
			if p != nil {
				b.Fatal(p)
			}
			return d
		}
		d := parse()
		stored, edited := Absorb(d, nil), d.Clone()
		edited.Fields["name"] = "Another"
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			measure(b, "ParseFile", parse)
			measure(b, "Validate", func() *Problem { return d.Validate(Limits{}) })
			measure(b, "Digest", d.Digest)
			measure(b, "Redact", func() *Document { return Redact(stored) })
			measure(b, "Absorb", func() *Document { return Absorb(d, stored) })
			measure(b, "Clone", d.Clone)
			measure(b, "Encode", func() []byte { return Encode(d) })
			measure(b, "EditNothing", func() []byte { return Edit(content, d) })
			measure(b, "Edit", func() []byte { return Edit(content, edited) })
			measure(b, "Similar", func() bool { return Similar(d, edited) })
		})
	}
	b.Run(string(Skills), func(b *testing.B) {
		measure(b, "ParseSkill", func() *Document {
			d, p := ParseSkill("answer-customers", sampleSkill, Limits{})
			if p != nil {
				b.Fatal(p)
			}
			return d
		})
		d := (&Document{Kind: Skills, Slug: "answer-customers", Files: sampleSkill}).Normalize()
		measure(b, "Digest", d.Digest)
		measure(b, "Clone", d.Clone)
	})
}
