package clone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// Bounds on a listing of refs.
const (
	maxRefsBytes = 64 << 20
	maxRefsKept  = 100_000
)

// remote speaks git's protocol to the repository. It asks in protocol v2 at
// once, without the round trip of asking for capabilities, and falls back for
// servers that know only v0.
type remote struct {
	t   *transport
	log *slog.Logger
	// v0 is learnt from the server and kept for the clone's life.
	v0 bool
	// spoken: the server has answered in the protocol that we take it to speak.
	spoken bool
	// noThin: the server refused a pack that builds on what it has, and took a whole one.
	noThin bool
}

// refList is what a server tells of its refs.
type refList struct {
	refs map[string]plumbing.Hash
	head string // the branch HEAD points to, "refs/heads/..." or ""
	v2   bool   // an advertisement that offers protocol v2 instead of refs
	caps string // of a v0 advertisement
}

// listRefs lists the refs below the prefixes (v0 servers list all; keep filters).
func (r *remote) listRefs(ctx context.Context, prefixes []string, keep func(name string) bool) (list *refList, err error) {
	defer func() { r.spoken = r.spoken || err == nil }()
	if r.v0 {
		return r.advertised(ctx, "git-upload-pack", keep)
	}
	refs, err := r.lsRefs(ctx, prefixes, keep)
	if err == nil || !mayBeOldServer(err) {
		return refs, err
	}
	adv, aerr := r.advertised(ctx, "git-upload-pack", keep)
	if aerr != nil {
		return nil, aerr
	}
	if !adv.v2 {
		r.v0 = true
		r.log.Debug("git server speaks no protocol v2", "cause", err)
		return adv, nil
	}
	return r.lsRefs(ctx, prefixes, keep) // the repository may have moved by a redirect
}

// mayBeOldServer tells an answer that makes no sense in v2 from one that is clear.
func mayBeOldServer(err error) bool {
	var f *mirror.Fault
	if !errors.As(err, &f) || f.Code != mirror.CodeNetworkUnreachable && f.Code != mirror.CodeRepositoryNotFound {
		return false
	}
	var status *statusError
	return errors.As(err, &status) || errors.Is(err, errAnswer)
}

// errAnswer: the server answered something else than the protocol.
var errAnswer = errors.New("not an answer of the git protocol")

func protocolFault(err error) error {
	var f *mirror.Fault
	if errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var said *remoteError
	if errors.As(err, &said) {
		return networkFault("The git server refuses: "+said.text, err)
	}
	return networkFault("The git server's answer is cut off or makes no sense.", fmt.Errorf("%w: %w", errAnswer, err))
}

func (r *remote) lsRefs(ctx context.Context, prefixes []string, keep func(string) bool) (*refList, error) {
	b := pkt(nil, "command=ls-refs\n")
	b = pkt(b, "agent=%s", agent)
	b = pkt(b, "object-format=sha1")
	b = append(b, "0001"...)
	b = pkt(b, "symrefs\n")
	for _, p := range prefixes {
		b = pkt(b, "ref-prefix %s\n", p)
	}
	b = append(b, "0000"...)
	a, err := r.uploadPack(ctx, b, true)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	list := &refList{refs: make(map[string]plumbing.Hash)}
	pkts := packetsOf(a, maxRefsBytes)
	for {
		line, kind, err := pkts.line()
		if err != nil {
			return nil, protocolFault(unexpected(err))
		}
		if kind != pktData {
			return list, nil
		}
		if text, ok := strings.CutPrefix(line, "ERR "); ok {
			return nil, protocolFault(pkts.said(text))
		}
		fields := strings.Split(line, " ")
		if len(fields) < 2 {
			return nil, protocolFault(fmt.Errorf("%w: ref line", errPkt))
		}
		if err := list.add(fields[0], fields[1], fields[2:], keep); err != nil {
			return nil, protocolFault(err)
		}
	}
}

func (l *refList) add(hex, name string, attrs []string, keep func(string) bool) error {
	if name == "HEAD" {
		for _, a := range attrs {
			if target, ok := strings.CutPrefix(a, "symref-target:"); ok {
				l.head = target
			}
		}
		return nil
	}
	if !keep(name) {
		return nil
	}
	id, ok := toID(mirror.Hash(hex))
	if !ok {
		return fmt.Errorf("%w: ref's id", errPkt)
	}
	if len(l.refs) >= maxRefsKept {
		return fmt.Errorf("%w: too many refs", errPkt)
	}
	l.refs[name] = id
	return nil
}

// agent identifies us inside the protocol.
const agent = "git/confmirror"

// uploadPack posts one v2 or v0 request for reading.
func (r *remote) uploadPack(ctx context.Context, body []byte, v2 bool) (*answer, error) {
	header := map[string]string{
		"Content-Type": "application/x-git-upload-pack-request",
		"Accept":       "application/x-git-upload-pack-result",
	}
	if v2 {
		header["Git-Protocol"] = "version=2"
	}
	open, n := bytesBody(body)
	a, err := r.t.do(ctx, &request{method: http.MethodPost, path: "/git-upload-pack", header: header, body: open, length: n, again: true})
	if err != nil {
		return nil, err
	}
	return a, checkType(a)
}

// checkType refuses web pages: a proxy's login, a host that takes us for a browser.
func checkType(a *answer) error {
	ct := a.Header.Get("Content-Type")
	if strings.HasPrefix(ct, "application/x-git-") || ct == "" {
		return nil
	}
	a.Close()
	return somebodyElse("The git server answers with something else than git (a web page or a proxy's login?).",
		fmt.Errorf("%w: content type %q", errAnswer, cleanText(mirror.Conceal(ct, a.sent...))))
}

// advertised asks the way of protocol v0: GET info/refs. It follows redirects,
// and tells whether the server knows v2.
func (r *remote) advertised(ctx context.Context, service string, keep func(string) bool) (*refList, error) {
	header := map[string]string{"Accept": "*/*"}
	if service == "git-upload-pack" {
		header["Git-Protocol"] = "version=2"
	}
	a, err := r.t.do(ctx, &request{method: http.MethodGet, path: "/info/refs", query: "service=" + service, header: header, again: true})
	if err != nil {
		return nil, err
	}
	if err := checkType(a); err != nil {
		return nil, err
	}
	defer a.Close()
	list := &refList{refs: make(map[string]plumbing.Hash)}
	pkts := packetsOf(a, maxRefsBytes)
	for first := true; ; {
		line, kind, err := pkts.line()
		if err != nil {
			return nil, protocolFault(unexpected(err))
		}
		switch {
		case strings.HasPrefix(line, "# service="):
			if _, _, err := pkts.line(); err != nil { // its flush
				return nil, protocolFault(unexpected(err))
			}
			continue
		case kind != pktData:
			return list, nil
		case first && line == "version 2":
			list.v2 = true
			return list, nil
		case line == "version 1":
			continue
		case strings.HasPrefix(line, "ERR "):
			return nil, protocolFault(pkts.said(line[4:]))
		case strings.HasPrefix(line, "shallow "):
			continue
		}
		if first {
			line, list.caps, _ = strings.Cut(line, "\x00")
			first = false
			for c := range strings.FieldsSeq(list.caps) {
				if target, ok := strings.CutPrefix(c, "symref=HEAD:"); ok {
					list.head = target
				}
			}
		}
		hex, name, _ := strings.Cut(line, " ")
		if name == "capabilities^{}" || strings.HasSuffix(name, "^{}") {
			continue
		}
		if err := list.add(hex, name, nil, keep); err != nil {
			return nil, protocolFault(err)
		}
	}
}

// branchHead asks for one branch, and for others beside it; a second request tells an
// empty repository from one that lacks the branch.
func (r *remote) branchHead(ctx context.Context, branch string, others ...string) (head mirror.Head, err error) {
	refs := []string{refOf(branch)}
	for _, other := range others {
		refs = append(refs, refOf(other))
	}
	anyBranch := false
	keep := func(name string) bool {
		anyBranch = anyBranch || strings.HasPrefix(name, "refs/heads/")
		return slices.Contains(refs, name)
	}
	list, err := r.listRefs(ctx, append(refs, "HEAD"), keep)
	if err != nil {
		return head, err
	}
	head.Main, _ = strings.CutPrefix(list.head, "refs/heads/")
	for _, other := range others {
		if id, ok := list.refs[refOf(other)]; ok {
			if head.Others == nil {
				head.Others = map[string]mirror.Hash{}
			}
			head.Others[other] = fromID(id)
		}
	}
	if id, ok := list.refs[refs[0]]; ok {
		head.Hash = fromID(id)
		return head, nil
	}
	if !anyBranch && !r.v0 {
		if _, err = r.listRefs(ctx, []string{"refs/heads/"}, keep); err != nil {
			return mirror.Head{}, err
		}
	}
	head.Empty = !anyBranch
	return head, nil
}
