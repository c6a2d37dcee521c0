package configs

import (
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Config is the whole configuration. One that [Load] returned is valid, its
// secrets are read and its defaults are filled in.
type Config struct {
	// DataDir holds clones, the embedded database and made keys; relative to the
	// working directory.
	DataDir    string     `yaml:"data_dir"`
	Database   Database   `yaml:"database"`
	HTTP       HTTP       `yaml:"http"`
	Admin      Admin      `yaml:"admin"`
	Encryption Encryption `yaml:"encryption"`
	Sync       Sync       `yaml:"sync"`
	Log        Log        `yaml:"log"`
	// Notifications go out when a mirror needs a person, and when it does no more.
	Notifications Notifications   `yaml:"notifications"`
	Mirrors       []*MirrorConfig `yaml:"mirrors"`

	// Path is the file that was read, "" for none.
	Path  string `yaml:"-"`
	files []string
}

// Database says where the database is.
type Database struct {
	// URL is a secret because it may hold a password; "" is the embedded database.
	URL     mirror.Secret `yaml:"url"`
	URLFile string        `yaml:"url_file"`
	// Notify is false behind PgBouncer in transaction mode: poll only.
	Notify bool `yaml:"notify"`
}

// HTTP is the listener for webhooks, API and panel.
type HTTP struct {
	Listen string `yaml:"listen"` // host:port
	// PublicURL has no slash at its end. Left out it follows from Listen.
	PublicURL string `yaml:"public_url"`
	// AllowedHosts are lower-case names or addresses without port.
	AllowedHosts []string `yaml:"allowed_hosts"`
	OIDC         OIDC     `yaml:"oidc"`
}

// OIDC lets people sign in to the panel at an OpenID provider, beside the admin token.
type OIDC struct {
	// Issuer is the provider's, exactly as its discovery document has it; "": off.
	Issuer           string        `yaml:"issuer"`
	ClientID         string        `yaml:"client_id"`
	ClientSecret     mirror.Secret `yaml:"client_secret"` // "": a public client
	ClientSecretFile string        `yaml:"client_secret_file"`
	// AllowedGroup is who may come in: everybody in it is an administrator.
	AllowedGroup string `yaml:"allowed_group"`
	// GroupsClaim is where the ID token or the user info has the groups; a path with dots
	// leads into objects.
	GroupsClaim string   `yaml:"groups_claim"`
	Scopes      []string `yaml:"scopes"`
}

// Admin guards the API and the panel.
type Admin struct {
	Token     mirror.Secret `yaml:"token"` // "": made at first start
	TokenFile string        `yaml:"token_file"`
}

// Encryption seals credentials in the database. See [DecodeKey].
type Encryption struct {
	Key              mirror.Secret   `yaml:"key"` // "": made at first start
	KeyFile          string          `yaml:"key_file"`
	PreviousKeys     []mirror.Secret `yaml:"previous_keys"`
	PreviousKeysFile string          `yaml:"previous_keys_file"` // one key a line
}

// Notifications are requests (POST, JSON) to a chat service or whatever else.
type Notifications struct {
	// URL is a secret because chat services' have one in it; "": off.
	URL     mirror.Secret `yaml:"url"`
	URLFile string        `yaml:"url_file"`
	// Secret signs them: X-Hub-Signature, as Bitbucket signs deliveries. "": unsigned.
	Secret     mirror.Secret `yaml:"secret"`
	SecretFile string        `yaml:"secret_file"`
}

// Sync is how mirroring behaves, for every mirror of the daemon.
type Sync struct {
	Poll  string `yaml:"poll"`  // see ParseSchedule
	Audit string `yaml:"audit"` // see ParseSchedule
	// BatchWindow is how long a first change waits for others.
	BatchWindow      time.Duration   `yaml:"batch_window"`
	SplitCommitsUpTo int             `yaml:"split_commits_up_to"`
	Conflict         document.Policy `yaml:"conflict"`
	Deletions        string          `yaml:"deletions"`         // DeletionsPropagate, DeletionsKeep
	CredentialRebind string          `yaml:"credential_rebind"` // RebindAllow, RebindHold
	DeleteLimit      DeleteLimit     `yaml:"delete_limit"`
	Push             mirror.PushMode `yaml:"push"`
	MaxFileSize      Size            `yaml:"max_file_size"`
	MaxSkillFiles    int             `yaml:"max_skill_files"`
	SecretScan       string          `yaml:"secret_scan"` // SecretScanBlock, SecretScanOff
}

// DeleteLimit is the mass-deletion brake.
type DeleteLimit struct {
	Count   int `yaml:"count"`
	Percent int `yaml:"percent"`
}

// Log is what is logged, and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// MirrorConfig is one entry of the list of mirrors.
type MirrorConfig struct {
	Organization string `yaml:"organization"`
	Workspace    string `yaml:"workspace"`
	// Repository is the slug, workspace/slug or the repository's URL, as written.
	Repository        string        `yaml:"repository"`
	Branch            string        `yaml:"branch"`
	PathPrefix        string        `yaml:"path_prefix"`
	ClientID          string        `yaml:"client_id"`
	ClientSecret      mirror.Secret `yaml:"client_secret"`
	ClientSecretFile  string        `yaml:"client_secret_file"`
	AccessToken       mirror.Secret `yaml:"access_token"`
	AccessTokenFile   string        `yaml:"access_token_file"`
	WebhookSecret     mirror.Secret `yaml:"webhook_secret"`
	WebhookSecretFile string        `yaml:"webhook_secret_file"`
	// Push and Conflict are sync.push and sync.conflict where left out.
	Push     mirror.PushMode `yaml:"push"`
	Conflict document.Policy `yaml:"conflict"`
	APIURL   *string         `yaml:"api_url"` // nil: left out; "": a plain git host
	OAuthURL string          `yaml:"oauth_url"`
	GitURL   string          `yaml:"git_url"`
}

// Values of the keys that choose between words.
const (
	DeletionsPropagate = "propagate"
	DeletionsKeep      = "keep"
	RebindAllow        = "allow"
	RebindHold         = "hold"
	SecretScanBlock    = "block"
	SecretScanOff      = "off"
)

// DefaultPath is read when neither a flag nor the environment names a file, if it is there.
const DefaultPath = "confmirror.yaml"

// Default is the configuration of an empty file in an empty environment.
func Default() *Config {
	c := defaults()
	c.derive()
	return c
}

// defaults are the values that no other value decides.
func defaults() *Config {
	return &Config{
		DataDir:  "./confmirror-data",
		Database: Database{Notify: true},
		HTTP:     HTTP{Listen: "127.0.0.1:8080", OIDC: OIDC{GroupsClaim: "groups", Scopes: []string{"openid", "profile", "email"}}},
		Sync: Sync{
			Poll:             "@every 1m",
			Audit:            "0 3 * * *",
			BatchWindow:      500 * time.Millisecond,
			SplitCommitsUpTo: mirror.DefaultRules.SplitCommitsUpTo,
			Conflict:         document.PreferGit,
			Deletions:        DeletionsPropagate,
			CredentialRebind: RebindAllow,
			DeleteLimit:      DeleteLimit{Count: mirror.DefaultRules.DeleteCount, Percent: mirror.DefaultRules.DeletePercent},
			Push:             mirror.PushDirect,
			MaxFileSize:      Size(document.DefaultLimits.MaxFileSize),
			MaxSkillFiles:    document.DefaultLimits.MaxSkillFiles,
			SecretScan:       SecretScanBlock,
		},
		Log: Log{Level: "info", Format: "text"},
	}
}

// derive fills in what follows from other keys when it was left out.
func (c *Config) derive() {
	if c.HTTP.PublicURL == "" {
		c.HTTP.PublicURL = derivedURL(c.HTTP.Listen)
	}
	for _, m := range c.Mirrors {
		if m.Push == "" {
			m.Push = c.Sync.Push
		}
		if m.Conflict == "" {
			m.Conflict = c.Sync.Conflict
		}
		if m.APIURL == nil {
			m.APIURL = new(mirror.DefaultAPIURL)
		}
		if m.OAuthURL == "" {
			m.OAuthURL = mirror.DefaultOAuthURL
		}
		if m.GitURL == "" {
			m.GitURL = mirror.DefaultGitURL
		}
	}
}

// derivedURL is how this machine reaches a daemon that listens there.
func derivedURL(listen string) string { return "http://" + Reachable(listen) }

// Rules are the decisions for every mirror.
func (c *Config) Rules() mirror.Rules {
	limits := document.DefaultLimits
	limits.MaxFileSize = int64(c.Sync.MaxFileSize)
	limits.MaxSkillFiles = c.Sync.MaxSkillFiles
	// A skill can hold at least one file of the size that a file may have.
	limits.MaxSkillSize = max(limits.MaxSkillSize, limits.MaxFileSize)
	return mirror.Rules{
		KeepDeleted:      c.Sync.Deletions == DeletionsKeep,
		HoldRebind:       c.Sync.CredentialRebind == RebindHold,
		DeleteCount:      c.Sync.DeleteLimit.Count,
		DeletePercent:    c.Sync.DeleteLimit.Percent,
		SplitCommitsUpTo: c.Sync.SplitCommitsUpTo,
		Limits:           limits,
	}
}

// Files lists what a watcher should look at: the configuration file and every
// secret's file, absolute and in the order of the keys.
func (c *Config) Files() []string { return c.files }
