-- crm, the source: the ten business tables of a WhatsApp assistant for beauty salons.
--
-- Run by psql into an empty database (encoding UTF8); running it again changes nothing. generate.sql fills the tables.
-- target.sql repeats everything between the two "ten business tables" lines word for word.

\set ON_ERROR_STOP on
\encoding UTF8
SET client_min_messages = warning;
BEGIN;

-- ---- the ten business tables: begin --------------------------------------------------------------------------------------
-- A company is one salon. company_id is its number in YCLIENTS, the booking system the data comes from; the other tables refer
-- to that number, not to the surrogate id.
CREATE TABLE IF NOT EXISTS companies (
    id                     bigserial PRIMARY KEY,
    company_id             bigint NOT NULL UNIQUE,
    title                  text NOT NULL CHECK (title <> ''),
    legal_name             text,
    phone                  varchar(20),
    email                  text,
    website                text,
    address                text,
    city                   text,
    country_code           char(2) NOT NULL DEFAULT 'RU',
    currency               char(3) NOT NULL DEFAULT 'RUB',
    timezone               text NOT NULL DEFAULT 'Europe/Moscow',
    latitude               numeric(9,6) CHECK (latitude BETWEEN -90 AND 90),
    longitude              numeric(9,6) CHECK (longitude BETWEEN -180 AND 180),
    branch_ids             bigint[] NOT NULL DEFAULT '{}',
    raw_data               jsonb NOT NULL DEFAULT '{}',
    whatsapp_enabled       boolean NOT NULL DEFAULT false,
    whatsapp_config        jsonb,
    whatsapp_session_data  jsonb,
    ai_enabled             boolean NOT NULL DEFAULT true,
    ai_instructions        text,
    subscription_until     date,
    is_active              boolean NOT NULL DEFAULT true,
    last_sync_at           timestamptz,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS clients (
    id                     bigserial PRIMARY KEY,
    external_id            uuid NOT NULL UNIQUE,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    yclients_id            bigint NOT NULL,
    name                   text NOT NULL,
    first_name             text,
    last_name              text,
    phone                  varchar(20),
    email                  text,
    birth_date             date,
    gender                 text CHECK (gender IN ('female', 'male')),
    language               char(2) NOT NULL DEFAULT 'ru',
    source                 text,
    loyalty_level          text NOT NULL DEFAULT 'new'
                           CHECK (loyalty_level IN ('new', 'bronze', 'silver', 'gold', 'platinum')),
    client_segment         text,
    discount               numeric(5,2) NOT NULL DEFAULT 0 CHECK (discount BETWEEN 0 AND 100),
    balance                numeric(12,2) NOT NULL DEFAULT 0,
    total_spent            numeric(12,2) NOT NULL DEFAULT 0 CHECK (total_spent >= 0),
    average_bill           numeric(12,2) CHECK (average_bill >= 0),
    visit_count            integer NOT NULL DEFAULT 0 CHECK (visit_count >= 0),
    first_visit_date       date,
    last_visit_date        date,
    branch_ids             bigint[],
    tags                   text[],
    last_services          text[],
    favorite_staff_ids     bigint[],
    preferred_time_slots   text[],
    visit_history          jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(visit_history) = 'array'),
    preferences            jsonb,
    ai_context             jsonb,
    goods_purchases        jsonb,
    ai_messages_count      integer NOT NULL DEFAULT 0,
    ai_satisfaction_score  numeric(3,2) CHECK (ai_satisfaction_score BETWEEN 0 AND 5),
    blacklisted            boolean NOT NULL DEFAULT false,
    notes                  text,
    last_sync_at           timestamptz,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, yclients_id),
    CHECK (first_visit_date <= last_visit_date)
);

-- The ids of services and staff are handed out by YCLIENTS, so these two tables have no sequence.
CREATE TABLE IF NOT EXISTS services (
    id                     bigint PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    yclients_id            bigint NOT NULL,
    category_id            integer,
    category_title         text,
    title                  text NOT NULL,
    description            text,
    price_min              numeric(12,2) NOT NULL DEFAULT 0,
    price_max              numeric(12,2) NOT NULL DEFAULT 0,
    currency               char(3) NOT NULL DEFAULT 'RUB',
    duration_seconds       integer NOT NULL CHECK (duration_seconds > 0),
    staff_ids              bigint[] NOT NULL DEFAULT '{}',
    branch_ids             bigint[],
    search_terms           text[],
    declensions            jsonb NOT NULL DEFAULT '{}',
    raw_data               jsonb,
    sort_order             smallint NOT NULL DEFAULT 0,
    is_online              boolean NOT NULL DEFAULT true,
    is_active              boolean NOT NULL DEFAULT true,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, yclients_id),
    CHECK (price_min >= 0 AND price_max >= price_min)
);

CREATE TABLE IF NOT EXISTS staff (
    id                     bigint PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    yclients_id            bigint NOT NULL,
    name                   text NOT NULL,
    specialization         text,
    position_title         text,
    phone                  varchar(20),
    avatar_url             text,
    rating                 numeric(3,2) CHECK (rating BETWEEN 0 AND 5),
    votes_count            integer NOT NULL DEFAULT 0,
    service_ids            bigint[] NOT NULL DEFAULT '{}',
    branch_ids             bigint[],
    declensions            jsonb NOT NULL DEFAULT '{}',
    raw_data               jsonb,
    hired_on               date,
    dismissed_on           date,
    is_bookable            boolean NOT NULL DEFAULT true,
    is_active              boolean NOT NULL DEFAULT true,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, yclients_id),
    CHECK (dismissed_on IS NULL OR dismissed_on >= hired_on)
);

CREATE TABLE IF NOT EXISTS staff_schedules (
    id                     bigserial PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    staff_id               bigint NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    work_date              date NOT NULL,
    is_working             boolean NOT NULL DEFAULT true,
    starts_at              time,
    ends_at                time,
    free_slots             text[],
    breaks                 jsonb NOT NULL DEFAULT '[]',
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (staff_id, work_date),
    CHECK (NOT is_working OR starts_at < ends_at)
);

CREATE TABLE IF NOT EXISTS bookings (
    id                     bigserial PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    yclients_record_id     bigint NOT NULL,
    client_id              bigint NOT NULL REFERENCES clients (id),
    staff_id               bigint REFERENCES staff (id),
    service_ids            bigint[] NOT NULL CHECK (cardinality(service_ids) > 0),
    starts_at              timestamptz NOT NULL,
    duration_seconds       integer NOT NULL CHECK (duration_seconds > 0),
    status                 text NOT NULL DEFAULT 'pending'
                           CHECK (status IN ('pending', 'confirmed', 'arrived', 'no_show', 'cancelled')),
    cost                   numeric(12,2) NOT NULL DEFAULT 0 CHECK (cost >= 0),
    prepaid                numeric(12,2) NOT NULL DEFAULT 0,
    comment                text,
    source                 text NOT NULL DEFAULT 'whatsapp',
    is_online              boolean NOT NULL DEFAULT true,
    reminder_sent_at       timestamptz,
    cancelled_at           timestamptz,
    raw_data               jsonb,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, yclients_record_id),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);

CREATE TABLE IF NOT EXISTS dialog_contexts (
    id                     bigserial PRIMARY KEY,
    session_id             uuid NOT NULL UNIQUE,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    client_id              bigint REFERENCES clients (id) ON DELETE SET NULL,
    user_id                text NOT NULL,
    state                  text NOT NULL DEFAULT 'idle'
                           CHECK (state IN ('idle', 'choosing_service', 'choosing_time', 'confirming', 'done')),
    last_intent            text,
    data                   jsonb NOT NULL DEFAULT '{}',
    messages               jsonb NOT NULL DEFAULT '[]',
    context_metadata       jsonb,
    messages_count         integer NOT NULL DEFAULT 0,
    expires_at             timestamptz,
    last_activity_at       timestamptz NOT NULL DEFAULT now(),
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, user_id)
);

-- The last three tables exist and are empty, as they were when the real migration ran.
CREATE TABLE IF NOT EXISTS messages (
    id                     bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    dialog_context_id      bigint REFERENCES dialog_contexts (id) ON DELETE CASCADE,
    client_id              bigint REFERENCES clients (id),
    whatsapp_message_id    text UNIQUE,
    direction              text NOT NULL CHECK (direction IN ('in', 'out')),
    content                text,
    media                  jsonb,
    is_from_bot            boolean NOT NULL DEFAULT false,
    created_at             timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS actions (
    id                     bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (company_id),
    dialog_context_id      bigint REFERENCES dialog_contexts (id),
    client_id              bigint REFERENCES clients (id),
    booking_id             bigint REFERENCES bookings (id),
    action_type            text NOT NULL,
    payload                jsonb NOT NULL DEFAULT '{}',
    result                 jsonb,
    status                 text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done', 'failed')),
    error_text             text,
    duration_ms            integer,
    created_at             timestamptz NOT NULL DEFAULT now(),
    finished_at            timestamptz
);

CREATE TABLE IF NOT EXISTS company_sync_status (
    id                     bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (company_id) ON DELETE CASCADE,
    entity                 text NOT NULL,
    status                 text NOT NULL DEFAULT 'idle' CHECK (status IN ('idle', 'running', 'ok', 'failed')),
    records_processed      integer NOT NULL DEFAULT 0,
    error_text             text,
    details                jsonb,
    last_sync_at           timestamptz,
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, entity)
);

-- Indexes beside the keys. jsonb is indexed on the small tables; clients, the large one, has one GIN index, on tags.
CREATE INDEX IF NOT EXISTS idx_companies_city               ON companies (city);
CREATE INDEX IF NOT EXISTS idx_companies_active             ON companies (company_id) WHERE is_active;
CREATE INDEX IF NOT EXISTS idx_companies_whatsapp           ON companies (company_id) WHERE whatsapp_enabled;
CREATE INDEX IF NOT EXISTS idx_companies_branch_ids         ON companies USING gin (branch_ids);

CREATE INDEX IF NOT EXISTS idx_clients_phone                ON clients (phone);
CREATE INDEX IF NOT EXISTS idx_clients_last_visit           ON clients (company_id, last_visit_date DESC NULLS LAST);
CREATE INDEX IF NOT EXISTS idx_clients_segment              ON clients (company_id, client_segment, loyalty_level);
CREATE INDEX IF NOT EXISTS idx_clients_name_lower           ON clients (lower(name) text_pattern_ops);
CREATE INDEX IF NOT EXISTS idx_clients_blacklisted          ON clients (company_id) WHERE blacklisted;
CREATE INDEX IF NOT EXISTS idx_clients_talkative            ON clients (ai_messages_count DESC) WHERE ai_messages_count > 20;
CREATE INDEX IF NOT EXISTS idx_clients_tags                 ON clients USING gin (tags);

CREATE INDEX IF NOT EXISTS idx_services_category            ON services (company_id, category_id, sort_order);
CREATE INDEX IF NOT EXISTS idx_services_title               ON services (company_id, title);
CREATE INDEX IF NOT EXISTS idx_services_price               ON services (company_id, price_min) WHERE is_active;
CREATE INDEX IF NOT EXISTS idx_services_staff_ids           ON services USING gin (staff_ids);
CREATE INDEX IF NOT EXISTS idx_services_search_terms        ON services USING gin (search_terms);
CREATE INDEX IF NOT EXISTS idx_services_declensions         ON services USING gin (declensions);

CREATE INDEX IF NOT EXISTS idx_staff_name                   ON staff (company_id, name);
CREATE INDEX IF NOT EXISTS idx_staff_bookable               ON staff (company_id, rating DESC) WHERE is_bookable AND is_active;
CREATE INDEX IF NOT EXISTS idx_staff_service_ids            ON staff USING gin (service_ids);
CREATE INDEX IF NOT EXISTS idx_staff_declensions            ON staff USING gin (declensions jsonb_path_ops);

CREATE INDEX IF NOT EXISTS idx_staff_schedules_company_date ON staff_schedules (company_id, work_date);
CREATE INDEX IF NOT EXISTS idx_staff_schedules_working      ON staff_schedules (work_date, staff_id) WHERE is_working;
CREATE INDEX IF NOT EXISTS idx_staff_schedules_free_slots   ON staff_schedules USING gin (free_slots);

CREATE INDEX IF NOT EXISTS idx_bookings_company_starts      ON bookings (company_id, starts_at);
CREATE INDEX IF NOT EXISTS idx_bookings_client              ON bookings (client_id, starts_at DESC);
CREATE INDEX IF NOT EXISTS idx_bookings_staff               ON bookings (staff_id, starts_at);
CREATE INDEX IF NOT EXISTS idx_bookings_status              ON bookings (company_id, status);
CREATE INDEX IF NOT EXISTS idx_bookings_reminder            ON bookings (starts_at)
                                                            WHERE status = 'confirmed' AND reminder_sent_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_bookings_service_ids         ON bookings USING gin (service_ids);
CREATE INDEX IF NOT EXISTS idx_bookings_raw_data            ON bookings USING gin (raw_data jsonb_path_ops);

CREATE INDEX IF NOT EXISTS idx_dialog_contexts_client       ON dialog_contexts (client_id);
CREATE INDEX IF NOT EXISTS idx_dialog_contexts_activity     ON dialog_contexts (company_id, last_activity_at DESC);
CREATE INDEX IF NOT EXISTS idx_dialog_contexts_open         ON dialog_contexts (expires_at) WHERE state <> 'done';
CREATE INDEX IF NOT EXISTS idx_dialog_contexts_data         ON dialog_contexts USING gin (data);
CREATE INDEX IF NOT EXISTS idx_dialog_contexts_metadata     ON dialog_contexts USING gin (context_metadata jsonb_path_ops);

CREATE INDEX IF NOT EXISTS idx_messages_dialog              ON messages (dialog_context_id, created_at);
CREATE INDEX IF NOT EXISTS idx_messages_client              ON messages (client_id, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_messages_company_created     ON messages (company_id, created_at);
CREATE INDEX IF NOT EXISTS idx_messages_media               ON messages USING gin (media) WHERE media IS NOT NULL;

CREATE INDEX IF NOT EXISTS idx_actions_dialog               ON actions (dialog_context_id, created_at);
CREATE INDEX IF NOT EXISTS idx_actions_booking              ON actions (booking_id) WHERE booking_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_actions_open                 ON actions (company_id, created_at) WHERE status IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS idx_actions_payload              ON actions USING gin (payload jsonb_path_ops);

CREATE INDEX IF NOT EXISTS idx_company_sync_status_failed   ON company_sync_status (company_id) WHERE status = 'failed';
CREATE INDEX IF NOT EXISTS idx_company_sync_status_last     ON company_sync_status (last_sync_at);
-- ---- the ten business tables: end ----------------------------------------------------------------------------------------

COMMIT;
