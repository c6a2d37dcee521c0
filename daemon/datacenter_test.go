package daemon_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestRefusedAtDataCenter: what a Data Center says no with, over git.
func TestRefusedAtDataCenter(t *testing.T) {
	git := bitbuckettest.GitEndpoints
	eachWorld(t, func(w *world) { w.dataCenter(bitbuckettest.ScopeRepositoryWrite) }, func(w *world) {
		eachRefusal(w, []refusal{
			answers("token", 401, "Authentication failed. Please check your credentials and try again.",
				told{"blocked", mirror.CodeConnectionFailed, mirror.ConnectionFailedMessage, "the access token: it is wrong, expired, revoked or of another repository"}, git...),
			answers("missing", 404, "The requested repository does not exist, or you do not have permission to access it.",
				told{"blocked", mirror.CodeRepositoryNotFound, "The requested repository does not exist", "may read the repository"}, git...),
			answers("forbidden", 403, "You are not permitted to push to this repository", told{"blocked", mirror.CodePermissionDenied, "You are not permitted to push", "Repositories: Read and Write"}, git...),
			rules("restricted", func(r *bitbuckettest.Repo) { r.Restrict("main") }, (*bitbuckettest.Repo).Unrestrict,
				told{"blocked", mirror.CodeBranchRestricted, "The branch does not take direct pushes: Branch refs/heads/main can only be modified through pull requests.", "Make an exception for the token's user"}),
			meets("limited", bitbuckettest.TooManyRequests(0), told{"error", mirror.CodeRateLimited, "fewer requests", "tried again by itself"}, git...),
			meets("down", bitbuckettest.Down(503), told{"error", mirror.CodeNetworkUnreachable, "503", "confmirror check"}, git...),
		})
	})
}
