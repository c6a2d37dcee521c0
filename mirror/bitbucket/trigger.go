package bitbucket

import (
	"slices"
	"strings"
)

// triggers are the names of events in the form where a webhook is edited, of either host.
var triggers = []struct{ event, group, name string }{
	{EventPush, "Repository", "Push"},
	{EventRefsChanged, "Repository", "Push"},
	{"pullrequest:created", "Pull request", "Created"},
	{"pullrequest:updated", "Pull request", "Updated"},
	{"pullrequest:fulfilled", "Pull request", "Merged"},
	{"pullrequest:rejected", "Pull request", "Declined"},
	{"pr:opened", "Pull request", "Opened"},
	{"pr:from_ref_updated", "Pull request", "Source branch updated"},
	{"pr:modified", "Pull request", "Modified"},
	{"pr:merged", "Pull request", "Merged"},
	{"pr:declined", "Pull request", "Declined"},
	{"pr:deleted", "Pull request", "Deleted"},
}

// TriggerNames names events as people tick them: "Repository: Push; Pull request: Created, Merged".
func TriggerNames(events []string) string {
	var groups []string
	last := ""
	for _, t := range triggers {
		switch {
		case !slices.Contains(events, t.event):
		case t.group == last:
			groups[len(groups)-1] += ", " + t.name
		default:
			groups, last = append(groups, t.group+": "+t.name), t.group
		}
	}
	return strings.Join(groups, "; ")
}
