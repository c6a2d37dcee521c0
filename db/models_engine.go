package db

// The models of what the mirrors remember.

type connectionRow struct {
	ID                         string `gorm:"primaryKey"`
	OrganizationID             string
	Source                     string
	Workspace                  string
	Repository                 string
	Branch                     string
	PathPrefix                 string
	ClientID                   string
	ClientSecret               string // sealed, as the three below
	AccessToken                string
	WebhookSecret              string
	PreviousWebhookSecret      string
	PreviousWebhookSecretUntil timestamp
	Push                       string
	Conflict                   string
	APIURL                     string `gorm:"column:api_url"`
	OAuthURL                   string `gorm:"column:oauth_url"`
	GitURL                     string `gorm:"column:git_url"`
	RepositoryUUID             string `gorm:"column:repository_uuid"`
	RepositoryFullName         string
	RepositoryURL              string `gorm:"column:repository_url"`
	Identity                   string // see identityKey; "": not resolved yet
	ResolvedBranch             string
	CursorCommit               string
	RemoteSeen                 string
	BehindSince                timestamp
	ImportedFrom               string // JSON array of commits; see import_from.go
	PlannedBy                  string
	Proposed                   jsonColumn
	State                      string
	Detail                     jsonColumn
	Conditions                 jsonColumn
	Paused                     bool
	Copied                     bool
	DisconnectedAt             timestamp
	Requested                  int64
	Covered                    int64
	LastRunID                  string
	Alarm                      string // why people were last told to look; "": all was well
	Holder                     string
	LeaseEpoch                 int64
	LeaseExpiresAt             timestamp
	CreatedAt                  timestamp
	UpdatedAt                  timestamp
}

func (connectionRow) TableName() string { return "bitbucket_connections" }

type rejectedRow struct {
	OrganizationID string `gorm:"primaryKey"`
	Kind           string `gorm:"primaryKey"`
	Path           string `gorm:"primaryKey"`
	Slug           string
	GitID          string
	Error          jsonColumn
	CreatedAt      timestamp
	UpdatedAt      timestamp
}

func (rejectedRow) TableName() string { return "rejected_files" }

type conflictRow struct {
	ID             string `gorm:"primaryKey"`
	OrganizationID string
	RunID          string
	Kind           string
	Path           string
	RowID          string
	Slug           string
	Reason         string
	Base           jsonColumn
	Database       jsonColumn
	Git            jsonColumn
	Decided        string
	Places         jsonColumn
	BaseGitID      string
	DatabaseDigest string
	GitID          string
	CreatedAt      timestamp
	ResolvedAt     timestamp
	Resolution     string
}

func (conflictRow) TableName() string { return "conflicts" }

type runRow struct {
	RunID          string `gorm:"primaryKey"`
	OrganizationID string
	Trigger        string
	State          string
	Exported       int
	Imported       int
	Deleted        int
	Merged         int
	Conflicts      int
	Errors         int
	Commits        jsonColumn
	SyncedCommit   string
	Detail         jsonColumn
	Actions        jsonColumn
	ActionsLeftOut int
	DurationMS     int64 `gorm:"column:duration_ms"`
	StartedAt      timestamp
	EndedAt        timestamp
}

func (runRow) TableName() string { return "sync_runs" }

type changeRow struct {
	ID             int64 `gorm:"primaryKey"`
	OrganizationID string
	Kind           string
	RowID          string
	SlugBefore     string
	SlugAfter      string
	Named          bool
	Described      bool // the column description got another value
	Take           string
}

func (changeRow) TableName() string { return "mirror_changes" }

type baseRow struct {
	OrganizationID string `gorm:"primaryKey"`
	Identity       string `gorm:"primaryKey"`
	Kind           string `gorm:"primaryKey"`
	Path           string `gorm:"primaryKey"`
	RowID          string
	Slug           string
	GitID          string
	Digest         string
	UnknownKeys    jsonColumn
	ContentID      string // in mirror_contents; "": none
	Parted         bool
}

func (baseRow) TableName() string { return "mirror_bases" }

type contentRow struct {
	OrganizationID string `gorm:"primaryKey"`
	ID             string `gorm:"primaryKey"` // hexadecimal SHA-256 of the content
	Encoding       string
	Data           []byte
}

func (contentRow) TableName() string { return "mirror_contents" }

type intentRow struct {
	ID             int64 `gorm:"primaryKey"`
	OrganizationID string
	Identity       string
	RunID          string
	Ref            string
	CommitHash     string
	Deleted        bool
	Kind           string
	Path           string
	RowID          string
	Slug           string
	GitID          string
	Digest         string
	UnknownKeys    jsonColumn
	ContentID      string
	CreatedAt      timestamp
}

func (intentRow) TableName() string { return "mirror_intents" }

type unsettledRow struct {
	OrganizationID string `gorm:"primaryKey"`
	Identity       string `gorm:"primaryKey"`
	Kind           string `gorm:"primaryKey"`
	Path           string `gorm:"primaryKey"`
	RowID          string
	Slug           string
	Reason         string
	WaitsFor       jsonColumn
	Due            bool
	Digest         string
	GitID          string
	Direction      string
	Verdict        string
	CreatedAt      timestamp
}

func (unsettledRow) TableName() string { return "mirror_unsettled" }

type eventRow struct {
	ID             int64 `gorm:"primaryKey"`
	OrganizationID string
	RunID          string
	Code           string
	Message        string
	Who            string
	CreatedAt      timestamp
}

func (eventRow) TableName() string { return "mirror_events" }

type deletionRow struct {
	ID             int64 `gorm:"primaryKey"`
	OrganizationID string
	Identity       string
	Direction      string
	Deleted        int
	Mirrored       int // before these deletions
	SettledAt      timestamp
}

func (deletionRow) TableName() string { return "mirror_deletions" }

type settingRow struct {
	Key   string `gorm:"primaryKey"`
	Value string
}

func (settingRow) TableName() string { return "mirror_settings" }
