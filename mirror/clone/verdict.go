package clone

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/confmirror/confmirror/mirror"
)

// verdict turns the server's report on our ref into nil, mirror.ErrStale or a fault.
func (rep *report) verdict(ref string) error {
	reason, named := rep.refs[ref]
	if rep.unpack == "ok" && named && reason == "" {
		return nil
	}
	if rep.unpack != "ok" {
		reason = "unpack: " + rep.unpack
	} else if !named && reason == "" {
		reason = "the answer does not name the branch"
	}
	cause := errors.New("push refused: " + cleanText(reason+" "+rep.text))
	said := reason + "\n" + rep.text
	switch {
	case containsFold(said, "can only be modified through pull requests"):
		return rep.restricted(reason, cause, "Make an exception for the token's user in the repository's settings under Branch permissions")
	case containsFold(said, "permission denied to update branch", "permission denied to create branch", "not allowed to create a branch", "branch restrictions"):
		return rep.restricted(reason, cause, "Lift the restriction in the repository's settings under Branch restrictions: no OAuth consumer or token can be exempted from it")
	case repositoryFull(said):
		return &mirror.Fault{
			Code: mirror.CodeRepositoryFull, Class: mirror.Permanent, Err: cause,
			Message: "The repository takes no more data: " + rep.shown(reason),
			Remedy:  "Reduce the repository's size, then sync again.",
		}
	case containsFold(said, "signed commit", "commits must be signed", "unsigned commit", "verified signature", "must be signed"):
		return &mirror.Fault{
			Code: mirror.CodeSignedCommitsRequired, Class: mirror.Permanent, Err: cause,
			Message: "The repository requires signed commits: " + rep.shown(reason),
			Remedy:  "Exempt the consumer's user, or this branch, from the signed-commits rule, or mirror a branch without it.",
		}
	case rep.unpack == "ok" && named && staleReason(reason):
		return fmt.Errorf("%w: %w", mirror.ErrStale, cause)
	case tooLarge(said):
		return &mirror.Fault{
			Code: mirror.CodePushRefused, Class: mirror.Permanent, Err: fmt.Errorf("%w: %w", mirror.ErrTooLarge, cause),
			Message: "The remote takes no push of this size: " + rep.shown(reason),
			Remedy:  "Make what is too large smaller, or have the limit raised, then sync again. Bitbucket Cloud takes files of up to 100 MB, unless an administrator of the repository lifts that.",
		}
	}
	f := &mirror.Fault{
		Code: mirror.CodePushRefused, Class: mirror.Permanent, Err: cause,
		Message: "The remote refuses the push: " + rep.shown(reason),
		Remedy:  "The text comes from the remote (a hook or a rule of the repository). Change what it asks for, then sync again.",
	}
	if rep.unpack != "ok" {
		f.Class = mirror.Transient // the remote could not store the pack: its disk, or a broken transfer
	}
	return f
}

// repositoryFull: whatever is sent, it is too much.
func repositoryFull(said string) bool {
	return containsFold(said, "repository is over the size limit", "will not accept further additions")
}

// tooLarge tells a limit of a push or of its files. Nobody has published what Bitbucket Cloud
// says of a file over its limit, and on a Data Center that is up to a hook: so it is any text
// of a size that is exceeded.
func tooLarge(said string) bool {
	return !repositoryFull(said) &&
		containsFold(said, "exceed", "larger than", "bigger than", "greater than", "too large", "too big", "over the", "maximum", "limit") &&
		containsFold(said, "size", "large file", "too large", "too big", " MB", " MiB", " GB", "byte")
}

// restricted: the branch takes no direct pushes, from us at least.
func (rep *report) restricted(reason string, cause error, lift string) *mirror.Fault {
	return &mirror.Fault{
		Code: mirror.CodeBranchRestricted, Class: mirror.Permanent, Err: cause,
		Message: "The branch does not take direct pushes: " + rep.shown(reason),
		Remedy:  lift + ". Or set push to pull-request or auto, or mirror another branch.",
	}
}

// staleReason: the words git and others have for a lost compare-and-swap.
func staleReason(reason string) bool {
	return containsFold(reason, "non-fast-forward", "fetch first", "failed to update ref", "cannot lock ref", "failed to lock",
		"stale", "incorrect old value", "reference already exists", "but expected")
}

// shown is what people see of a refusal: the hook's own words, without the rules that some
// draw around them, else the reason.
func (rep *report) shown(reason string) string {
	var words strings.Builder
	for line := range strings.Lines(rep.text) {
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			words.WriteString(line)
		}
	}
	if text := cleanText(words.String()); text != "" {
		return text
	}
	return cleanText(reason)
}
