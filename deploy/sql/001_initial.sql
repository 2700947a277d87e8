-- The state of record: configuration revisions, requests, inbox, outbox, offsets, final states.
-- Who writes what: g = gateway, s = scheduler, n = notifier. Times are milliseconds since 1970, UTC.

-- g: every revision of every configured entity, exactly as it went to cs.config.
CREATE TABLE config_revisions (
  entity_id       CHAR(36) CHARACTER SET ascii NOT NULL,
  revision        BIGINT UNSIGNED NOT NULL,
  organization_id CHAR(36) CHARACTER SET ascii NOT NULL,
  kind            TINYINT UNSIGNED NOT NULL,           -- cs.config.EntityKind
  slug            VARCHAR(100) CHARACTER SET ascii NOT NULL,
  parent_id       CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT '', -- project of a policy or configuration
  body            MEDIUMBLOB NOT NULL,                 -- serialized entity
  envelope        MEDIUMBLOB NOT NULL,                 -- the signed ConfigChanged
  event_id        CHAR(36) CHARACTER SET ascii NOT NULL UNIQUE,
  deleted         BOOLEAN NOT NULL DEFAULT FALSE,
  is_head         BOOLEAN NULL,                        -- TRUE for the newest revision, NULL for older ones
  created_at_ms   BIGINT NOT NULL,
  PRIMARY KEY (entity_id, revision),
  UNIQUE KEY one_head (entity_id, is_head),
  KEY by_kind (organization_id, kind, is_head)
) ENGINE=InnoDB;

-- g: events on their way to cs.config (written with the revision, in one transaction).
CREATE TABLE config_outbox (
  id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  topic     VARCHAR(100) CHARACTER SET ascii NOT NULL,
  record_key VARCHAR(100) CHARACTER SET ascii NOT NULL,
  envelope  MEDIUMBLOB NOT NULL
) ENGINE=InnoDB;

-- g: personal data of users; forgetting a person is deleting the row.
CREATE TABLE users_private (
  user_id    CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  name       VARCHAR(200) NOT NULL,
  email      VARCHAR(254) NOT NULL,
  person_key BINARY(32) NOT NULL
) ENGINE=InnoDB;

-- g: what was submitted, for finding it again (idempotency) until the scheduler has it.
CREATE TABLE submissions (
  request_id      CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  organization_id CHAR(36) CHARACTER SET ascii NOT NULL,
  fingerprint     BINARY(32) NOT NULL,                 -- of the submission's content and principal
  idempotency_key BINARY(32) NULL,                     -- HMAC of the header, if one was sent
  acknowledged    BOOLEAN NOT NULL DEFAULT FALSE,      -- Kafka has the event
  created_at_ms   BIGINT NOT NULL,
  KEY by_fingerprint (organization_id, fingerprint, created_at_ms),
  UNIQUE KEY by_idempotency_key (organization_id, idempotency_key)
) ENGINE=InnoDB;

-- s: one row a request; 'record' is a serialized cs.store.RequestRecord. Changed only by compare-and-set
-- of 'version' under the partition owner's epoch.
CREATE TABLE requests (
  request_id      CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  partition_no    INT NOT NULL,
  organization_id CHAR(36) CHARACTER SET ascii NOT NULL,
  project_id      CHAR(36) CHARACTER SET ascii NOT NULL,
  policy_id       CHAR(36) CHARACTER SET ascii NOT NULL,
  submitter_id    CHAR(36) CHARACTER SET ascii NOT NULL,
  artifact_sha256 BINARY(32) NULL,
  state           TINYINT UNSIGNED NOT NULL,           -- cs.events.State
  version         BIGINT UNSIGNED NOT NULL,
  lane            VARCHAR(10) CHARACTER SET ascii NOT NULL DEFAULT '',
  pool            VARCHAR(100) CHARACTER SET ascii NOT NULL DEFAULT '',
  submitted_at_ms BIGINT NOT NULL,
  queued_at_ms    BIGINT NULL,
  policy_revision BIGINT UNSIGNED NOT NULL DEFAULT 0,  -- that its approval is asked under
  timer_at_ms     BIGINT NULL,                         -- next deadline or reminder; NULL only in final states
  finished_at_ms  BIGINT NULL,
  record          MEDIUMBLOB NOT NULL,
  KEY by_timer (partition_no, timer_at_ms),
  KEY by_queue (state, pool, lane, project_id, queued_at_ms),
  KEY by_organization (organization_id, submitted_at_ms, request_id),
  KEY by_artifact (organization_id, artifact_sha256)
) ENGINE=InnoDB;

-- s: insert only; two final states for one request are impossible.
CREATE TABLE final_states (
  request_id CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  state      TINYINT UNSIGNED NOT NULL,
  event_id   CHAR(36) CHARACTER SET ascii NOT NULL,
  at_ms      BIGINT NOT NULL
) ENGINE=InnoDB;

-- s: open invitations, found by the hash of their view token; g reads.
CREATE TABLE invitations (
  invitation_id     CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  request_id        CHAR(36) CHARACTER SET ascii NOT NULL,
  approver_id       CHAR(36) CHARACTER SET ascii NOT NULL,
  view_token_sha256 BINARY(32) NOT NULL UNIQUE,
  state             VARCHAR(20) CHARACTER SET ascii NOT NULL, -- open, used, voided, superseded, expired
  wrong_tries       INT UNSIGNED NOT NULL DEFAULT 0,
  expires_at_ms     BIGINT NOT NULL,
  KEY by_request (request_id)
) ENGINE=InnoDB;

-- s: events that were applied; a second one with the same id does nothing.
CREATE TABLE inbox (
  event_id     CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  partition_no INT NOT NULL,
  at_ms        BIGINT NOT NULL,
  KEY by_time (at_ms)
) ENGINE=InnoDB;

-- s: signed envelopes on their way to Kafka, relayed in order by the partition's owner.
CREATE TABLE outbox (
  id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  partition_no    INT NOT NULL,                        -- of the owner (cs.commands)
  topic           VARCHAR(120) CHARACTER SET ascii NOT NULL,
  topic_partition INT NOT NULL,
  record_key      VARCHAR(100) CHARACTER SET ascii NOT NULL,
  envelope        MEDIUMBLOB NOT NULL,
  KEY by_owner (partition_no, id)
) ENGINE=InnoDB;

-- s: how far each input partition was applied.
CREATE TABLE consumed_offsets (
  topic        VARCHAR(120) CHARACTER SET ascii NOT NULL,
  partition_no INT NOT NULL,
  next_offset  BIGINT NOT NULL,
  PRIMARY KEY (topic, partition_no)
) ENGINE=InnoDB;

-- s: who owns a partition; every transaction checks the epoch, so a zombie changes nothing.
CREATE TABLE partition_owners (
  partition_no INT NOT NULL PRIMARY KEY,
  epoch        BIGINT UNSIGNED NOT NULL,
  owner        VARCHAR(100) CHARACTER SET ascii NOT NULL,
  since_ms     BIGINT NOT NULL
) ENGINE=InnoDB;

-- n: mails and webhooks to be delivered at least once.
CREATE TABLE deliveries (
  delivery_id    CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  request_id     CHAR(36) CHARACTER SET ascii NOT NULL,
  organization_id CHAR(36) CHARACTER SET ascii NOT NULL,
  recipient_id   CHAR(36) CHARACTER SET ascii NOT NULL,
  kind           VARCHAR(20) CHARACTER SET ascii NOT NULL,
  payload        MEDIUMBLOB NOT NULL,                  -- the event envelope that asks for it
  state          VARCHAR(10) CHARACTER SET ascii NOT NULL, -- due, done, failed
  attempts       INT UNSIGNED NOT NULL DEFAULT 0,
  due_at_ms      BIGINT NOT NULL,
  claimed_until_ms BIGINT NOT NULL DEFAULT 0,
  last_error     VARCHAR(400) NOT NULL DEFAULT '',
  KEY by_due (state, due_at_ms)
) ENGINE=InnoDB;

-- All: what could not be applied, with the reason; operators list, look and retry.
CREATE TABLE quarantine (
  topic        VARCHAR(120) CHARACTER SET ascii NOT NULL,
  partition_no INT NOT NULL,
  record_offset BIGINT NOT NULL,
  reader       VARCHAR(50) CHARACTER SET ascii NOT NULL,
  code         VARCHAR(48) CHARACTER SET ascii NOT NULL,
  reason       VARCHAR(512) NOT NULL,
  at_ms        BIGINT NOT NULL,
  record_key   VARBINARY(200) NULL,
  value        MEDIUMBLOB NULL,
  PRIMARY KEY (topic, partition_no, record_offset, reader)
) ENGINE=InnoDB;
