-- Numbers that only grow: ids, and the order of ingestion.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
) /* clustered */;

-- Sources: what is known of their reading. One row appears at a source's first try.
CREATE TABLE sources (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    since BIGINT,
    last_attempt BIGINT,
    last_success BIGINT,
    next_due BIGINT,
    -- When an operator paused it, and who did.
    paused_at BIGINT,
    paused_by TEXT,
    failures BIGINT NOT NULL,
    items BIGINT NOT NULL,
    detail TEXT NOT NULL,
    baseline BOOLEAN NOT NULL,
    last_news BIGINT,
    longest_gap BIGINT,
    told TEXT,
    moved_to TEXT,
    moved_times BIGINT,
    etag TEXT,
    last_modified TEXT,
    validators_for TEXT,
    walk_cursor TEXT,
    walk_cursor_for TEXT,
    import_cursor TEXT,
    import_cursor_for TEXT,
    lease_holder TEXT,
    lease_until BIGINT
);

-- Advisories: the newest state, and what lists and matching need of it.
CREATE TABLE advisories (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    revised_at BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    -- When it was published, as far as a source says, else when it was first seen.
    dated_at BIGINT NOT NULL,
    title TEXT NOT NULL,
    severity BIGINT NOT NULL,
    exploited BOOLEAN NOT NULL,
    -- TLP:CLEAR: it may stand on a page that anybody can read.
    public BOOLEAN NOT NULL,
    -- TLP:CLEAR or TLP:GREEN: whoever is signed in may read it.
    community BOOLEAN NOT NULL,
    -- Its items are another advisory's now; nothing but its history is left.
    merged_into TEXT
);
CREATE INDEX advisories_by_time ON advisories (revised_at);
CREATE INDEX advisories_by_day ON advisories (dated_at) WHERE public AND merged_into IS NULL;
CREATE INDEX advisories_burning ON advisories (revised_at) WHERE exploited OR severity = 4;

CREATE TABLE revisions (
    advisory TEXT NOT NULL REFERENCES advisories (id),
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (advisory, number)
);

CREATE TABLE advisory_cves (
    cve TEXT NOT NULL,
    advisory TEXT NOT NULL REFERENCES advisories (id),
    PRIMARY KEY (cve, advisory)
) /* clustered */;

CREATE TABLE tags (
    advisory TEXT NOT NULL REFERENCES advisories (id),
    platform TEXT NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (advisory, platform)
) /* clustered */;
CREATE INDEX tags_by_platform ON tags (platform, advisory);

-- The words of advisories and their items: advisory_words, which each engine indexes its own way.
/* full text */;

-- Items: what sources published, normalized, with the advisory that each belongs to.
CREATE TABLE items (
    id BIGINT PRIMARY KEY,
    source TEXT NOT NULL,
    advisory TEXT NOT NULL REFERENCES advisories (id),
    content_hash TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- Why it is in that advisory.
    because TEXT NOT NULL,
    -- An operator has put it there, and nothing else moves it.
    pinned BOOLEAN NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX items_by_advisory ON items (advisory, id);
CREATE INDEX items_by_source ON items (source, id);

-- By what items find each other: advisory ids, CVE ids, pages, references.
CREATE TABLE item_links (
    key TEXT NOT NULL,
    item BIGINT NOT NULL REFERENCES items (id),
    PRIMARY KEY (key, item)
) /* clustered */;
CREATE INDEX item_links_by_item ON item_links (item);

-- The titles of items that have no CVE id to be found by. day: since 1970-01-01, in UTC.
CREATE TABLE item_titles (
    item BIGINT PRIMARY KEY REFERENCES items (id),
    day BIGINT NOT NULL,
    words TEXT NOT NULL
);
CREATE INDEX item_titles_by_day ON item_titles (day, item);

-- Every name under which a source has shown an item (guid, link, content hash).
CREATE TABLE item_keys (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    item BIGINT NOT NULL REFERENCES items (id),
    PRIMARY KEY (source, key)
) /* clustered */;
CREATE INDEX item_keys_by_item ON item_keys (item);

-- Facts about a CVE from catalogs, whichever advisory it belongs to.
CREATE TABLE cve_facts (
    cve TEXT PRIMARY KEY,
    kev TEXT NOT NULL,
    source_name TEXT NOT NULL
);

-- FIRST's Exploit Prediction Scoring System: the newest score of each CVE, and the one before it.
CREATE TABLE epss (
    cve TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    percentile DOUBLE PRECISION NOT NULL,
    previous DOUBLE PRECISION
) /* clustered */;

-- Tags that somebody says are wrong, with the evidence that gave them. state: open, accepted or dismissed.
CREATE TABLE wrong_matches (
    id BIGINT PRIMARY KEY,
    advisory TEXT NOT NULL REFERENCES advisories (id),
    platform TEXT NOT NULL,
    evidence TEXT NOT NULL,
    note TEXT NOT NULL,
    said_by TEXT NOT NULL,
    at BIGINT NOT NULL,
    state TEXT NOT NULL
);

-- Phrases that void a platform's name, beside those of the catalog.
CREATE TABLE platform_rules (
    platform TEXT NOT NULL,
    phrase TEXT NOT NULL,
    said_by TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (platform, phrase)
) /* clustered */;

-- Events: revisions that people hear of, in the order of ingestion. fanned_out turns true when every match has its delivery.
CREATE TABLE events (
    seq BIGINT PRIMARY KEY,
    advisory TEXT NOT NULL REFERENCES advisories (id),
    revision BIGINT NOT NULL,
    kind TEXT NOT NULL,
    reasons TEXT NOT NULL,
    severity BIGINT NOT NULL,
    exploited BOOLEAN NOT NULL,
    -- It says what is not for strangers: TLP:GREEN and above.
    confined BOOLEAN NOT NULL DEFAULT FALSE,
    at BIGINT NOT NULL,
    -- When the first message that tells it was accepted.
    told_at BIGINT,
    fanned_out BOOLEAN NOT NULL,
    fan_cursor TEXT NOT NULL
);
CREATE INDEX events_to_fan_out ON events (seq) WHERE NOT fanned_out;

-- Who says what an event tells: publishers, and countries of authorities. Limited recipients are compared with it.
CREATE TABLE event_origins (
    seq BIGINT NOT NULL REFERENCES events (seq),
    origin TEXT NOT NULL,
    PRIMARY KEY (seq, origin)
) /* clustered */;

CREATE TABLE event_platforms (
    seq BIGINT NOT NULL REFERENCES events (seq),
    platform TEXT NOT NULL,
    PRIMARY KEY (seq, platform)
) /* clustered */;

-- Organizations: managed service providers, the tenants.
CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization, name_key)
);

CREATE TABLE members (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization, email_key)
);

CREATE INDEX members_by_address ON members (email_key);

-- Operators: who runs this installation, by the addresses that sign in.
CREATE TABLE operators (
    email_key TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL
) /* clustered */;

-- Mailed links to sign in that were asked for.
CREATE TABLE sign_ins (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    -- Where to go from there: a path of ours.
    next TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX sign_ins_by_address ON sign_ins (email_key, created_at);

-- Who is signed in. hash: SHA-256 of what the browser's cookie holds, which is kept nowhere.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_address ON sessions (email_key);

-- Tokens of programs that act for an organization. hash: SHA-256 of the token, which is kept nowhere. scopes: words.
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_tokens_by_organization ON api_tokens (organization, id);

-- What organizations did about advisories. Rows are added and never changed: the newest of an owner counts.
CREATE TABLE responses (
    id BIGINT PRIMARY KEY,
    organization TEXT NOT NULL,
    -- For whom: one client, or the organization for all of them.
    owner TEXT NOT NULL,
    advisory TEXT NOT NULL REFERENCES advisories (id),
    -- acknowledged, mitigated, not_affected, accepted or reopened.
    state TEXT NOT NULL,
    note TEXT NOT NULL,
    said_by TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX responses_by_advisory ON responses (organization, advisory, id);

-- Audit log: who did what. hash: SHA-256 over the row and the hash of the row before it.
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    -- The tenant; empty for what concerns the whole installation.
    organization TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_organization ON audit (organization, seq);

-- What an organization or a client runs.
CREATE TABLE stacks (
    owner TEXT NOT NULL,
    platform TEXT NOT NULL,
    PRIMARY KEY (owner, platform)
) /* clustered */;

-- Subscriptions: who wants to hear of what. start_seq: events up to it are history to the subscriber.
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    -- The tenant; empty for none.
    organization TEXT NOT NULL DEFAULT '',
    channel TEXT NOT NULL DEFAULT 'email',
    email TEXT NOT NULL,
    -- What two spellings of one mailbox or address have in common; a hash once the recipient has been erased.
    email_key TEXT NOT NULL,
    -- Where a channel that takes web requests delivers to, and the key that it signs with.
    target TEXT,
    secret TEXT,
    active BOOLEAN NOT NULL,
    -- Why it is not active: pending, unsubscribed, removed, bounced, complained, gone, erased.
    ended TEXT,
    everything BOOLEAN NOT NULL,
    floor BIGINT NOT NULL,
    instant BOOLEAN NOT NULL,
    digest TEXT NOT NULL,
    digest_day TEXT NOT NULL,
    digest_at TEXT NOT NULL,
    timezone TEXT NOT NULL,
    all_clear BOOLEAN NOT NULL DEFAULT FALSE,
    quiet TEXT,
    quiet_pierce BOOLEAN NOT NULL DEFAULT TRUE,
    -- In how many ways it limits whom it hears.
    limits BIGINT NOT NULL DEFAULT 0,
    consent TEXT NOT NULL,
    consent_at BIGINT NOT NULL,
    -- It came through the page for everybody, and nobody vouches for who it is.
    stranger BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    start_seq BIGINT NOT NULL,
    digest_cut BIGINT NOT NULL,
    digest_due BIGINT,
    digest_period TEXT,
    UNIQUE (organization, email_key)
) /* clustered */;
CREATE INDEX subscriptions_to_everything ON subscriptions (id) WHERE everything;
CREATE INDEX subscriptions_by_digest ON subscriptions (digest_due) WHERE active;

-- The platforms and topics of a subscription, and the groups that it follows (stack:org-1, category:rmm, vendor:Kaseya).
-- Not chosen: what those groups have now.
CREATE TABLE subscription_platforms (
    subscription TEXT NOT NULL REFERENCES subscriptions (id),
    platform TEXT NOT NULL,
    chosen BOOLEAN NOT NULL DEFAULT TRUE,
    PRIMARY KEY (platform, subscription)
) /* clustered */;
CREATE INDEX subscription_platforms_by_subscription ON subscription_platforms (subscription);

-- Whom alone a subscription hears, in each way (publisher, region).
CREATE TABLE subscription_only (
    subscription TEXT NOT NULL REFERENCES subscriptions (id),
    origin TEXT NOT NULL,
    way TEXT NOT NULL,
    PRIMARY KEY (subscription, origin)
) /* clustered */;

-- Who asked to be mailed and has not confirmed yet. wish: JSON.
CREATE TABLE signups (
    id TEXT PRIMARY KEY,
    subscription TEXT NOT NULL REFERENCES subscriptions (id),
    wish TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    confirmed_at BIGINT
);
CREATE INDEX signups_by_time ON signups (created_at);
CREATE INDEX signups_by_subscription ON signups (subscription, created_at);

-- Addresses that are not mailed: by a keyed hash, so that an erased one is known without being kept.
CREATE TABLE suppressions (
    address_hash TEXT PRIMARY KEY,
    email TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    said_by TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Deliveries: the outbox. The id names recipient, channel and event or period, so that a second one cannot exist.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    subscription TEXT NOT NULL REFERENCES subscriptions (id),
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    event_seq BIGINT,
    -- By what the event was matched: a platform, a topic, or ~ for everything.
    why TEXT NOT NULL DEFAULT '',
    -- The roll-up that tells it in place of a mail of its own.
    rolled_into TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    ambiguous BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_holder TEXT,
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When somebody queued it again; the tries before that, and those that found the relay down.
    requeued_at BIGINT,
    spent BIGINT NOT NULL DEFAULT 0,
    finished_at BIGINT,
    detail TEXT NOT NULL
) /* clustered */;
CREATE INDEX deliveries_to_send ON deliveries (due_at, id) WHERE state = 'queued';
CREATE INDEX deliveries_in_flight ON deliveries (lease_until, id) WHERE state = 'sending';
CREATE INDEX deliveries_by_roll_up ON deliveries (rolled_into) WHERE rolled_into IS NOT NULL;
CREATE INDEX deliveries_by_subscription ON deliveries (subscription, event_seq);

-- One row a try: written before the first byte goes out, completed after the answer.
CREATE TABLE attempts (
    delivery TEXT NOT NULL REFERENCES deliveries (id),
    number BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    outcome TEXT,
    detail TEXT,
    PRIMARY KEY (delivery, number)
) /* clustered */;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) /* clustered */;

-- Bounces: what came back for a subscription last, and on how many days for reasons that may pass.
CREATE TABLE bounces (
    subscription TEXT PRIMARY KEY REFERENCES subscriptions (id),
    -- hard, complaint, soft, policy, late, arrived or unsubscribed.
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,
    soft BIGINT NOT NULL,
    soft_first BIGINT,
    soft_last BIGINT
);

INSERT INTO counters (name, value) VALUES ('advisory', 0), ('audit', 0), ('client', 0), ('event', 0), ('ingest', 0), ('item', 0), ('member', 0), ('notice', 0), ('organization', 0), ('response', 0), ('session', 0), ('sign_in', 0), ('signup', 0), ('subscription', 0), ('token', 0), ('wrong', 0);
