package mirror

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestReportIsBounded(t *testing.T) {
	a := &apply{run: &run{}}
	for range mostActions / 2 {
		a.tell(&Decision{actions: []Action{{Slug: "row"}, {Slug: "file"}}})
	}
	if len(a.report.Actions) != mostActions || a.report.ActionsLeftOut != 0 {
		t.Errorf("%d actions, %d left out", len(a.report.Actions), a.report.ActionsLeftOut)
	}
	a.report.Actions = a.report.Actions[1:]
	a.tell(&Decision{actions: []Action{{Slug: "row"}, {Slug: "file"}}})
	if last := a.report.Actions[mostActions-1].Slug; len(a.report.Actions) != mostActions || last != "row" || a.report.ActionsLeftOut != 1 {
		t.Errorf("%d actions, the last of %s, %d left out", len(a.report.Actions), last, a.report.ActionsLeftOut)
	}
}

func TestLogIsBounded(t *testing.T) {
	var log bytes.Buffer
	a := &apply{run: &run{log: slog.New(slog.NewTextHandler(&log, nil)), logged: map[happening]int{}}}
	for i := range mostLogged + 5 {
		a.said(slog.LevelWarn, "refused", "slug", fmt.Sprint("t", i))
	}
	a.said(slog.LevelInfo, "imported", "slug", "other")
	a.saidMore()
	if lines := strings.Count(log.String(), "\n"); lines != mostLogged+2 {
		t.Errorf("%d lines:\n%s", lines, log.String())
	}
	for _, want := range []string{"slug=t19\n", "slug=other\n", "what=refused more=5\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, log.String())
		}
	}
}
