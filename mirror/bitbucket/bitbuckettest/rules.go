package bitbuckettest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rules are what a push may be refused for.
type rules struct {
	restrictions []restriction
	full         bool
	maxPack      string
	maxFile      int
	signed       bool
	refusal      string
}

type restriction struct {
	pattern string
	allowed []string // usernames
}

// Restrict lets nobody but these people push to branches that match the glob
// pattern. Tokens of consumers and access tokens cannot be on such a list
// (BCLOUD-22400), so none ever passes.
func (r *Repo) Restrict(pattern string, usernames ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.restrictions = append(r.rules.restrictions, restriction{pattern, usernames})
}

// Unrestrict takes all restrictions back.
func (r *Repo) Unrestrict() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.restrictions = nil
}

// SetFull makes the repository over its size limit: no push is taken.
func (r *Repo) SetFull(full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.full = full
}

// SetMaxPack bounds the pack of a push, in git's notation ("100k"); "" is Bitbucket's limit.
func (r *Repo) SetMaxPack(size string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.maxPack = size
}

// SetMaxFile bounds each file of a push, in bytes; 0 is Bitbucket's limit. The text of the
// refusal is not Bitbucket's, which is not known.
func (r *Repo) SetMaxFile(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.maxFile = size
}

// SetSignedCommits makes the repository want signed commits: REST says so, and
// unsigned ones are refused. The text of that refusal is not Bitbucket's, which is not known.
func (r *Repo) SetSignedCommits(required bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.signed = required
}

// RefusePushes makes the pre-receive hook decline every push with a text; "" ends it.
func (r *Repo) RefusePushes(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules.refusal = text
}

// hookEnv tells the hook scripts what holds for this push.
func (r *Repo) hookEnv(by *principal) []string {
	address := r.htmlURL()
	r.mu.Lock()
	defer r.mu.Unlock()
	var patterns []string
	for _, x := range r.rules.restrictions {
		if by.person == nil || !slices.Contains(x.allowed, by.person.Username) {
			patterns = append(patterns, x.pattern)
		}
	}
	env := []string{
		"BITBUCKET_RESTRICTED=" + strings.Join(patterns, " "),
		"BITBUCKET_REFUSAL=" + r.rules.refusal,
		"BITBUCKET_MAIN=" + r.mainBranch,
		"BITBUCKET_URL=" + address,
	}
	if r.server.options.DataCenter {
		env = append(env, "BITBUCKET_DATA_CENTER=1")
	}
	if r.rules.full {
		env = append(env, "BITBUCKET_FULL=1")
	}
	if r.rules.signed {
		env = append(env, "BITBUCKET_SIGNED=1")
	}
	if r.rules.maxFile > 0 {
		env = append(env, "BITBUCKET_MAX_FILE="+strconv.Itoa(r.rules.maxFile))
	}
	if r.rules.maxPack != "" {
		env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=receive.maxInputSize", "GIT_CONFIG_VALUE_0="+r.rules.maxPack)
	}
	return env
}

// preReceive declines a push as a whole: one refused ref refuses every ref.
// The size limit's text is that of
// https://support.atlassian.com/bitbucket-cloud/docs/reduce-repository-size/.
const preReceive = `#!/bin/sh
if [ -n "$BITBUCKET_FULL" ]; then
	echo "Repository is over the size limit (4 GB) and will not accept further additions."
	echo
	echo "Learn how to reduce your repository size: https://confluence.atlassian.com/x/xgMvEw."
	exit 1
fi
if [ -n "$BITBUCKET_REFUSAL" ]; then
	printf '%s\n' "$BITBUCKET_REFUSAL"
	exit 1
fi
set -f # the patterns are for case, not for file names
refused=0
while read -r old new ref; do
	case $ref in
	refs/heads/*) branch=${ref#refs/heads/} ;;
	*) continue ;;
	esac
	for pattern in $BITBUCKET_RESTRICTED; do
		case $branch in
		$pattern)
			if [ -n "$BITBUCKET_DATA_CENTER" ]; then
				echo "-----------------------------------------------------"
				echo "Branch $ref can only be modified through pull requests."
				echo "Check your branch permissions configuration with the project administrator."
				echo "-----------------------------------------------------"
			else
				echo "Permission denied to update branch $branch."
			fi
			refused=1
			break
			;;
		esac
	done
	case $new in
	*[!0]*) ;;
	*) continue ;;
	esac
	if [ -n "$BITBUCKET_MAX_FILE" ]; then
		large=$(git rev-list --objects "$new" --not --all |
			git cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' |
			while read -r type size path; do
				[ "$type" = blob ] && [ "$size" -gt "$BITBUCKET_MAX_FILE" ] || continue
				echo "$path is $size bytes; this exceeds the file size limit of $BITBUCKET_MAX_FILE bytes."
			done)
		[ -z "$large" ] || { printf '%s\n' "$large"; refused=1; }
	fi
	if [ -n "$BITBUCKET_SIGNED" ]; then
		for commit in $(git rev-list "$new" --not --all); do
			git cat-file commit "$commit" | sed '/^$/q' | grep -q '^gpgsig' && continue
			echo "Commit $commit is not signed, and this repository requires signed commits."
			refused=1
		done
	fi
done
exit $refused
`

// postReceive prints what Bitbucket prints for a branch without a pull request.
const postReceive = `#!/bin/sh
[ -n "$BITBUCKET_MAIN" ] || exit 0
while read -r old new ref; do
	case $ref in
	"refs/heads/$BITBUCKET_MAIN") continue ;;
	refs/heads/*) branch=${ref#refs/heads/} ;;
	*) continue ;;
	esac
	case $new in
	*[!0]*) ;;
	*) continue ;;
	esac
	printf '\nCreate pull request for %s:\n  %s/pull-requests/new?source=%s&t=1\n\n' "$branch" "$BITBUCKET_URL" "$branch"
done
`

func writeHookScripts(dir string) error {
	hooks := filepath.Join(dir, "hooks")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		return err
	}
	for name, script := range map[string]string{"pre-receive": preReceive, "post-receive": postReceive} {
		if err := os.WriteFile(filepath.Join(hooks, name), []byte(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}
