package benchmark_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
)

// The entities: of n, 45 % toolkits, 20 % commands, 20 % MCP servers, 10 % MCP
// clients and 5 % skills of six files; a document's median is about 1.5 kB.

type share struct {
	table   string
	percent int
}

var shares = []share{{"toolkits", 45}, {"commands", 20}, {"mcp_servers", 20}, {"mcp_clients", 10}, {"skills", 5}}

func (s share) of(n int) int { return max(1, n*s.percent/100) }

func slug(table string, i int) string {
	return fmt.Sprintf("%s-%06d", strings.ReplaceAll(strings.TrimSuffix(table, "s"), "_", "-"), i)
}

var words = strings.Fields("issue branch review deploy customer invoice search index cluster tenant report export budget " +
	"ticket schema pipeline secret token meeting calendar contract backlog alert metric storage region quota release patch")

// text is prose of about so many bytes.
func text(r *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(words[r.IntN(len(words))])
		if r.IntN(9) == 0 {
			b.WriteByte('.')
		}
	}
	return b.String()
}

// size of a document: between a third of the median and many times it.
func size(r *rand.Rand) int { return int(1200 * (0.3 + r.ExpFloat64())) }

// fill writes n entities of an organization, the same ones each time.
func fill(tx *sql.Tx, placeholder func(int) string, organization string, n int) error {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	insert := func(table, columns string) (*sql.Stmt, error) {
		names := strings.Split(columns, ", ")
		marks := make([]string, len(names))
		for i := range names {
			marks[i] = placeholder(i + 1)
		}
		return tx.Prepare("INSERT INTO " + table + " (" + columns + ") VALUES (" + strings.Join(marks, ", ") + ")")
	}
	columns := map[string]string{
		"toolkits":    "organization_id, slug, name, description, status, integrations, commands",
		"commands":    "organization_id, slug, name, description, status, prompt, arguments",
		"mcp_servers": "organization_id, slug, name, description, status, type, command, args, env, tools",
		"mcp_clients": "organization_id, slug, name, description, enabled, redirect_uris, grant_types",
		"skills":      "id, organization_id, slug",
	}
	servers := share{"mcp_servers", 20}.of(n)
	files, err := insert("skill_files", "skill_id, path, content")
	if err != nil {
		return err
	}
	// Servers first: toolkits name them.
	for _, s := range []share{shares[2], shares[1], shares[0], shares[3], shares[4]} {
		statement, err := insert(s.table, columns[s.table])
		if err != nil {
			return err
		}
		for i := range s.of(n) {
			name := slug(s.table, i)
			title, short := "The "+name, text(r, 80)
			var values []any
			switch s.table {
			case "toolkits":
				values = []any{organization, name, title, short, "active", integrations(r, servers), `["` + slug("commands", 0) + `"]`}
			case "commands":
				values = []any{organization, name, title, short, "active", text(r, size(r)), `[{"name": "number", "required": true}]`}
			case "mcp_servers":
				values = []any{organization, name, title, short, "active", "stdio", "npx", `["-y", "@example/server"]`,
					`{"MODE": {"value": "read", "secret": false}}`, tools(r, i)}
			case "mcp_clients":
				values = []any{organization, name, title, text(r, size(r)/2), true, `["https://example.com/` + name + `"]`, `["authorization_code"]`}
			case "skills":
				id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i, n)
				if _, err := statement.Exec(id, organization, name); err != nil {
					return err
				}
				main := "---\nname: " + name + "\ndescription: " + short + "\n---\n\n# " + title + "\n\n" + text(r, 2*size(r)) + "\n"
				if _, err := files.Exec(id, "SKILL.md", []byte(main)); err != nil {
					return err
				}
				for k := range 5 {
					if _, err := files.Exec(id, fmt.Sprintf("references/part-%d.md", k), []byte(text(r, size(r))+"\n")); err != nil {
						return err
					}
				}
				continue
			}
			if _, err := statement.Exec(values...); err != nil {
				return fmt.Errorf("%s: %w", s.table, err)
			}
		}
	}
	return nil
}

// toolNames are those of the i-th server: 3 to 20.
func toolNames(i int) []string {
	names := make([]string, 3+i%18)
	for k := range names {
		names[k] = fmt.Sprintf("%s_%s_%d", words[(i+k)%len(words)], words[(3*i+k)%len(words)], k)
	}
	return names
}

func tools(r *rand.Rand, i int) string {
	var parts []string
	for _, name := range toolNames(i) {
		parts = append(parts, fmt.Sprintf(`%q: {"enabled": true, "description": %q}`, name, text(r, 40)))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// integrations name tools of one to four servers.
func integrations(r *rand.Rand, servers int) string {
	var parts []string
	first := r.IntN(servers)
	for k := range min(1+r.IntN(4), servers) {
		i := (first + k) % servers
		names := toolNames(i)
		parts = append(parts, fmt.Sprintf(`%q: {"tools": ["%s"]}`, slug("mcp_servers", i), strings.Join(names[:1+r.IntN(len(names))], `", "`)))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// edited are the slugs of the k-th edit of so many entities: three of five are
// toolkits, the rest commands and servers. Each edit has others.
func edited(n, count, k int) map[string][]string {
	out := map[string][]string{}
	for i := range count {
		s := shares[0]
		switch {
		case i%10 == 9:
			s = shares[2]
		case i%10 >= 6:
			s = shares[1]
		}
		out[s.table] = append(out[s.table], slug(s.table, (k*count+i)*7919%s.of(n)))
	}
	return out
}
