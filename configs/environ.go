package configs

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	envPrefix = "CONFMIRROR_"
	// envConfig names the file, and is no key.
	envConfig = envPrefix + "CONFIG"
	// envTest begins the names of what only tests read.
	envTest = envPrefix + "TEST_"
)

var (
	envIndex = regexp.MustCompile(`^CONFMIRROR_MIRRORS_(0|[1-9][0-9]{0,2})_`)
	// Kubernetes sets these in every container of a namespace that has a Service
	// whose name begins with "confmirror"; they say nothing to us.
	envServiceLink = regexp.MustCompile(`^CONFMIRROR_(?:.+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$`)
)

// envName is the variable of a key: CONFMIRROR_MIRRORS_0_BRANCH for mirrors[0].branch.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(key))
}

// lookup finds a variable; of several the last counts, as in exec.
func lookup(environ []string, name string) (string, bool) {
	for _, e := range slices.Backward(environ) {
		if n, value, ok := strings.Cut(e, "="); ok && n == name {
			return value, true
		}
	}
	return "", false
}

// readEnviron sets what the environment sets.
func (l *loader) readEnviron(environ []string) {
	set := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, envPrefix) && name != envConfig {
			set[name] = value
		}
	}
	l.growMirrors(set)

	known := map[string]leaf{}
	walk(reflect.ValueOf(l.config).Elem(), "", func(f leaf) { known[envName(f.key)] = f })
	_, kubernetes := lookup(environ, "KUBERNETES_SERVICE_HOST")
	for _, name := range sortedKeys(set) {
		f, ok := known[name]
		switch {
		case ok:
			l.setVariable(name, set[name], f)
		case strings.HasPrefix(name, envTest), kubernetes && envServiceLink.MatchString(name):
		default:
			message := "unknown variable"
			if hint := nearest(name, sortedKeys(known)); hint != "" {
				message += "; did you mean " + hint + "?"
			}
			l.report(Problem{Where: name, Message: message})
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// growMirrors makes room for mirrors that only the environment names. It leaves no
// gap: CONFMIRROR_MIRRORS_2_... needs mirrors 0 and 1, or it is unknown.
func (l *loader) growMirrors(set map[string]string) {
	named := map[int]bool{}
	for name := range set {
		if m := envIndex.FindStringSubmatch(name); m != nil {
			i, _ := strconv.Atoi(m[1]) // three digits
			named[i] = true
		}
	}
	for named[len(l.config.Mirrors)] {
		key := indexed("mirrors", len(l.config.Mirrors))
		l.at(key, envName(key)+"_...", "")
		l.config.Mirrors = append(l.config.Mirrors, &MirrorConfig{})
	}
}

func (l *loader) setVariable(name, value string, f leaf) {
	pointer := f.value.Kind() == reflect.Pointer // empty is a value of its own
	if value == "" && !pointer {
		return
	}
	if err := setVariableText(f.value, value); err != nil {
		l.report(Problem{Where: name, Key: f.key, Message: fmt.Sprintf("%q: %v", value, err)})
		return
	}
	l.at(f.key, name, "")
}

func setVariableText(v reflect.Value, value string) error {
	if v.Kind() != reflect.Slice {
		return setText(v, value)
	}
	items := strings.Split(value, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return setList(v, items)
}
