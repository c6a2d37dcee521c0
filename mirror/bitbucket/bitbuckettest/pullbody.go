package bitbuckettest

import (
	"encoding/json"
	"fmt"
	"html"

	"github.com/confmirror/confmirror/mirror"
)

// pullEvent is an event of a pull request, by its names on either host.
type pullEvent struct{ cloud, dataCenter string }

var (
	pullCreated   = pullEvent{"pullrequest:created", "pr:opened"}
	pullUpdated   = pullEvent{"pullrequest:updated", "pr:modified"}
	pullPushed    = pullEvent{"pullrequest:updated", "pr:from_ref_updated"}
	pullMerged    = pullEvent{"pullrequest:fulfilled", "pr:merged"}
	pullRejected  = pullEvent{"pullrequest:rejected", "pr:declined"}
	pullCommented = pullEvent{"pullrequest:comment_created", "pr:comment:added"}
	pullReworded  = pullEvent{"pullrequest:comment_updated", "pr:comment:edited"}
	pullSilenced  = pullEvent{"pullrequest:comment_deleted", "pr:comment:deleted"}
)

var pullEvents = []pullEvent{
	pullCreated, pullUpdated, pullPushed, pullMerged, pullRejected, pullCommented, pullReworded, pullSilenced,
}

// tellPull delivers an event of a pull request
// (https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Pull-request-events).
func (r *Repo) tellPull(event pullEvent, by *principal, id int64, comment *Comment) error {
	name := event.cloud
	if r.server.options.DataCenter {
		name = event.dataCenter
	}
	hooks := r.subscribed(name)
	if len(hooks) == 0 {
		return nil
	}
	body := object{"pullrequest": r.describePull(id, true), "repository": r.summary(), "actor": by.actor()}
	if comment != nil {
		body["comment"] = r.describeComment(id, *comment)
	}
	if r.server.options.DataCenter {
		body = r.serverPullBody(name, by, id, comment)
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		h.deliver(name, encoded)
	}
	return nil
}

// shortHash is how pull requests name commits.
func shortHash(h mirror.Hash) string { return string(h[:min(len(h), 12)]) }

// describePull is a pull request's JSON. Lists leave out the reviewers.
func (r *Repo) describePull(id int64, whole bool) object {
	r.mu.Lock()
	live := r.pullLocked(id)
	p, by, closedBy := live.snapshot(), live.by, live.closedBy
	r.mu.Unlock()
	end := func(branch string, hash mirror.Hash) object {
		return object{
			"branch": object{"name": branch, "links": object{}},
			"commit": object{"type": "commit", "hash": shortHash(hash), "links": object{}},
			"repository": object{
				"type": "repository", "full_name": r.FullName(), "uuid": r.uuid, "links": object{},
			},
		}
	}
	api := fmt.Sprintf("%s/pullrequests/%d", r.apiURL(), id)
	page := fmt.Sprintf("%s/pull-requests/%d", r.htmlURL(), id)
	const stamp = "2006-01-02T15:04:05.000000-07:00"
	o := object{
		"type": "pullrequest", "id": id, "title": p.Title, "description": p.Description, "state": p.State,
		"draft": p.Draft, "queued": false, "close_source_branch": p.CloseSource,
		"source": end(p.Source, p.SourceHash), "destination": end(p.Destination, p.DestinationHash),
		"author": by.actor(), "merge_commit": nil, "closed_by": nil, "reason": "",
		"created_on": p.Created.UTC().Format(stamp), "updated_on": p.Updated.UTC().Format(stamp),
		"comment_count": len(p.Comments), "task_count": 0,
		"summary": object{
			"type": "rendered", "raw": p.Description, "markup": "markdown",
			"html": "<p>" + html.EscapeString(p.Description) + "</p>",
		},
		"links": object{
			"self": object{"href": api}, "html": object{"href": page}, "comments": object{"href": api + "/comments"},
		},
	}
	if p.MergeCommit != "" {
		o["merge_commit"] = object{"type": "commit", "hash": shortHash(p.MergeCommit), "links": object{}}
	}
	if closedBy != nil {
		o["closed_by"] = closedBy.actor()
	}
	if whole {
		reviewers := make([]object, len(p.Reviewers))
		for i, id := range p.Reviewers {
			reviewers[i] = object{"type": "user", "uuid": id, "display_name": "Reviewer", "links": object{}}
		}
		o["reviewers"], o["participants"] = reviewers, []object{}
	}
	return o
}
