package bitbucket

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// restriction is a rule for branches
// (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-branch-restrictions/).
type restriction struct {
	Kind    string `json:"kind"`
	Match   string `json:"branch_match_kind"` // glob or branching_model
	Pattern string `json:"pattern"`
	Type    string `json:"branch_type"`
}

// BranchRules implements [mirror.Restrictions]. Who is on a rule's list does not matter:
// a consumer's token cannot be (https://jira.atlassian.com/browse/BCLOUD-22400). What a
// branching model calls production or a feature is not looked up.
func (c *Client) BranchRules(ctx context.Context, branch string) (mirror.BranchRules, error) {
	rules := mirror.BranchRules{Known: true}
	r := request{
		address: c.repository("branch-restrictions"), scope: scopeRepositoryAdmin,
		query: url.Values{"kind": {"push"}, "pagelen": {"100"}},
	}
	err := list(ctx, c, r, func(x restriction) bool {
		switch {
		case x.Kind != "push":
		case x.Match == "branching_model":
			rules.Known = false
		case glob(x.Pattern).MatchString(branch):
			rules.PushRestricted, rules.Rule = true, "push to "+cleanText(x.Pattern)
		}
		return !rules.PushRestricted
	})
	return tolerate(rules, err)
}

// tolerate: an administrator's permission is not asked for, so that it is missing is no fault.
func tolerate(rules mirror.BranchRules, err error) (mirror.BranchRules, error) {
	f, ok := errors.AsType[*mirror.Fault](err)
	if ok && f.Code == mirror.CodePermissionDenied {
		return mirror.BranchRules{}, nil
	}
	if err != nil {
		return mirror.BranchRules{}, err
	}
	return rules, nil
}

// glob is a pattern for branches: "*" is anything, slashes too. (Whether Bitbucket
// stops at slashes differs by page; a warning too many does less harm than one too few.)
func glob(pattern string) *regexp.Regexp {
	p := regexp.QuoteMeta(pattern)
	p = strings.NewReplacer(`\*\*`, ".*", `\*`, ".*", `\?`, ".").Replace(p)
	return regexp.MustCompile("^" + p + "$")
}
