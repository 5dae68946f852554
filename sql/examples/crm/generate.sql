-- crm, the source: fills the seven tables that hold data. Run by psql after source.sql; see README.md.
--
--   psql "$SOURCE_URL" -f generate.sql                         the counts of the real migration: 1,490 rows
--   psql "$SOURCE_URL" -v scale=10 -f generate.sql             ten times as many clients, the other tables to match
--   psql "$SOURCE_URL" -v clients=200000 -f generate.sql       by the number of clients; every count can be set like this:
--       companies, services, staff, staff_schedules, bookings, dialog_contexts
--   -v seed=word      other data, same shape               -v replace=yes    empties the ten tables first
--
-- The same variables always give the same rows: everything is a function of the seed and a row number through sha512 and md5,
-- which do not change between versions of PostgreSQL. There is no clock and no random() in here, and no case folding or sorting
-- of Cyrillic, which would depend on the database's locale.

\set ON_ERROR_STOP on
\encoding UTF8
\set QUIET on
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
SET work_mem = '64MB';
SET jit = off;                          -- compiling these queries takes longer than running them

-- ---- variables -----------------------------------------------------------------------------------------------------------

\if :{?seed}
\else
    \set seed crm
\endif
\if :{?replace}
\else
    \set replace no
\endif
\if :{?scale}
\else
    \set scale 1
\endif
\if :{?clients}
\else
    SELECT round(1304 * :scale)::bigint AS clients \gset
\endif
\if :{?companies}
\else
    SELECT greatest(1, :clients / 5000) AS companies \gset
\endif
\if :{?services}
\else
    SELECT 63 * :companies AS services \gset
\endif
\if :{?staff}
\else
    SELECT 12 * :companies AS staff \gset
\endif
\if :{?staff_schedules}
\else
    SELECT 44 * :companies AS staff_schedules \gset
\endif
\if :{?bookings}
\else
    SELECT round(45.0 * :clients / 1304)::bigint AS bookings \gset
\endif
\if :{?dialog_contexts}
\else
    SELECT round(21.0 * :clients / 1304)::bigint AS dialog_contexts \gset
\endif

BEGIN;

SELECT EXISTS (SELECT FROM companies) AS filled \gset
\if :filled
    \if :replace
        TRUNCATE companies, clients, services, staff, staff_schedules, bookings, dialog_contexts, messages, actions,
            company_sync_status RESTART IDENTITY;
    \else
        DO $$ BEGIN RAISE EXCEPTION 'the crm tables already hold rows' USING HINT = 'empty them with -v replace=yes'; END $$;
    \endif
\endif

-- ---- helpers, gone with the session --------------------------------------------------------------------------------------

-- 64 bytes that stand for one row; below, hash[k] is byte(hash, k), one die per k.
CREATE FUNCTION pg_temp.row_hash(seed text, what text, n bigint) RETURNS bytea IMMUTABLE LANGUAGE sql AS
    $$ SELECT sha512(convert_to(seed || ':' || what || ':' || n, 'UTF8')) $$;
CREATE FUNCTION pg_temp.byte(hash bytea, k int) RETURNS int IMMUTABLE LANGUAGE sql AS
    $$ SELECT get_byte(hash, k) $$;
CREATE FUNCTION pg_temp.word(hash bytea, k int) RETURNS int IMMUTABLE LANGUAGE sql AS
    $$ SELECT get_byte(hash, k) * 256 + get_byte(hash, k + 1) $$;
CREATE FUNCTION pg_temp.pick(list text[], n int) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT list[1 + n % cardinality(list)] $$;
-- +7 000 is nobody's code. 7919 is prime to 10^7, so ten million clients have ten million numbers.
CREATE FUNCTION pg_temp.phone(n bigint) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT '7000' || lpad(((n * 7919 + 1234567) % 10000000)::text, 7, '0') $$;

-- The v-th visit of client n, counted back from the last one, as JSON text: one cast to jsonb is cheaper than a
-- jsonb_build_object, which looks up the type of every argument in every call. STABLE, because turning a date into text is: a
-- function that claims more than its body is not inlined, and this one then costs ten times as much.
CREATE FUNCTION pg_temp.visit(n bigint, v int, last_visit date, staff_id bigint, service text) RETURNS text STABLE LANGUAGE sql AS
    $$ SELECT '{"date": "' || (last_visit - v * 30) || '", "record_id": ' || (5200000000 + n * 16 + v)
           || ', "staff": {"id": ' || coalesce(staff_id::text, 'null') || '}, "services": [' || to_json(service)
           || '], "cost": ' || (1500 + v * 250.50) || ', "rating": ' || CASE v % 3 WHEN 0 THEN 'null' WHEN 1 THEN '4' ELSE '5' END || '}' $$;

-- A noun and its cases, in the order of the names below.
CREATE FUNCTION pg_temp.declension(cases text[]) RETURNS jsonb STABLE LANGUAGE sql AS
    $$ SELECT jsonb_build_object('nominative', cases[1], 'genitive', cases[2], 'dative', cases[3],
                                 'accusative', cases[4], 'instrumental', cases[5], 'prepositional', cases[6]) $$;

CREATE TEMP TABLE service_noun (number int, title text, cases text[]) ON COMMIT DROP;
INSERT INTO service_noun VALUES
    (0, 'Маникюр',       '{маникюр,маникюра,маникюру,маникюр,маникюром,маникюре}'),
    (1, 'Педикюр',       '{педикюр,педикюра,педикюру,педикюр,педикюром,педикюре}'),
    (2, 'Укладка',       '{укладка,укладки,укладке,укладку,укладкой,укладке}'),
    (3, 'Окрашивание',   '{окрашивание,окрашивания,окрашиванию,окрашивание,окрашиванием,окрашивании}'),
    (4, 'Массаж',        '{массаж,массажа,массажу,массаж,массажем,массаже}'),
    (5, 'Стрижка',       '{стрижка,стрижки,стрижке,стрижку,стрижкой,стрижке}'),
    (6, 'Бритьё',        '{бритьё,бритья,бритью,бритьё,бритьём,бритье}'),
    (7, 'Коррекция',     '{коррекция,коррекции,коррекции,коррекцию,коррекцией,коррекции}'),
    (8, 'Ламинирование', '{ламинирование,ламинирования,ламинированию,ламинирование,ламинированием,ламинировании}');

CREATE TEMP TABLE staff_name (number int, cases text[]) ON COMMIT DROP;
INSERT INTO staff_name VALUES
    (0,  '{Сергей,Сергея,Сергею,Сергея,Сергеем,Сергее}'),
    (1,  '{Екатерина,Екатерины,Екатерине,Екатерину,Екатериной,Екатерине}'),
    (2,  '{Анна,Анны,Анне,Анну,Анной,Анне}'),
    (3,  '{Дмитрий,Дмитрия,Дмитрию,Дмитрия,Дмитрием,Дмитрии}'),
    (4,  '{Ольга,Ольги,Ольге,Ольгу,Ольгой,Ольге}'),
    (5,  '{Наталья,Натальи,Наталье,Наталью,Натальей,Наталье}'),
    (6,  '{Павел,Павла,Павлу,Павла,Павлом,Павле}'),
    (7,  '{Ирина,Ирины,Ирине,Ирину,Ириной,Ирине}'),
    (8,  '{Алексей,Алексея,Алексею,Алексея,Алексеем,Алексее}'),
    (9,  '{Татьяна,Татьяны,Татьяне,Татьяну,Татьяной,Татьяне}'),
    (10, '{Виктор,Виктора,Виктору,Виктора,Виктором,Викторе}'),
    (11, '{Мария,Марии,Марии,Марию,Марией,Марии}');

-- Salons are blocks: salon k owns the k-th equal part of the clients, of the staff and of the services.
CREATE TEMP TABLE staff_number ON COMMIT DROP AS
SELECT n, 1 + (n - 1) * :companies / greatest(:staff, 1) AS salon,
       coalesce((ARRAY[2895125, 3164669, 2895131, 2902488, 2917740, 2934006, 2951873, 2986610, 3011294, 3059417, 3120558,
                       3158902]::bigint[])[n], 3200000 + n * 37) AS id
FROM generate_series(1, :staff::bigint) AS n;

CREATE TEMP TABLE salon ON COMMIT DROP AS
SELECT k, 500000 + k AS company_id,
       coalesce((SELECT array_agg(id ORDER BY n) FROM staff_number WHERE salon = k), '{}') AS staff_ids,
       coalesce((SELECT array_agg(15031200 + n ORDER BY n) FROM generate_series(1, :services::bigint) AS n
                 WHERE 1 + (n - 1) * :companies / greatest(:services, 1) = k), '{15031251}') AS service_ids
FROM generate_series(1, :companies::bigint) AS k;

-- ---- companies -----------------------------------------------------------------------------------------------------------

INSERT INTO companies (id, company_id, title, legal_name, phone, email, website, address, city, latitude, longitude,
    branch_ids, raw_data, whatsapp_enabled, whatsapp_config, whatsapp_session_data, ai_enabled, ai_instructions,
    subscription_until, is_active, last_sync_at, created_at, updated_at)
SELECT k, company_id,
    CASE WHEN k = 1 THEN 'Салон «Малина» 💇‍♀️' ELSE 'Салон "' || pg_temp.pick('{Малина,Вишня,Лён,Ромашка,Мята}', k::int) || '" № ' || k END,
    'ООО "Малина-' || k || '"', '+' || pg_temp.phone(k * 1000003), 'salon' || k || '@example.com', '',
    E'ул. Ленина, д. ' || k || E', корп. "Б"\nвход со двора', pg_temp.pick('{Москва,Казань,Санкт-Петербург,Тверь}', k::int - 1),
    55.755826 + k * 0.001, 37.617300 - k * 0.001,
    ARRAY[company_id * 10 + 1, company_id * 10 + 2],
    jsonb_build_object('id', company_id, 'title', 'Салон «Малина»', 'timezone_name', 'Europe/Moscow', 'coordinate_lat', 55.7558260,
        'schedule', jsonb_build_object('пн-пт', '09:00-21:00', 'сб', '10:00-20:00', 'вс', NULL),
        'social', jsonb_build_object('vk', 'https://vk.example.com/malina', 'instagram', NULL),
        'bookforms', jsonb_build_array(jsonb_build_object('id', 4310 + k, 'is_default', true)), 'business_type_id', 1),
    true,
    jsonb_build_object('provider', 'baileys', 'reconnect', jsonb_build_object('attempts', 5, 'delay_ms', 3000),
        'greeting', E'Здравствуйте! 👋\nЭто салон «Малина».', 'quiet_hours', jsonb_build_array('22:00', '09:00')),
    jsonb_build_object('status', 'connected', 'qr', NULL, 'connected_at', '2025-11-07T08:15:00Z',
        'history', (SELECT jsonb_agg(jsonb_build_object('n', n, 'ref', md5(:'seed' || k || 'session' || n), 'event', 'ping')
                                     ORDER BY n) FROM generate_series(1, 150) AS n)),
    true, E'Отвечай вежливо, на «вы».\n\t• не обещай скидок\n\t• цены — только из прайса\\прайс.xlsx',
    date '2026-06-30' + k::int, true, timestamptz '2025-11-11 08:55:00+00', timestamptz '2025-03-01 10:00:00.123456+00',
    timestamptz '2025-11-11 09:00:00+00'
FROM salon;

-- ---- services ------------------------------------------------------------------------------------------------------------

INSERT INTO services (id, company_id, yclients_id, category_id, category_title, title, description, price_min, price_max,
    duration_seconds, staff_ids, branch_ids, search_terms, declensions, raw_data, sort_order, is_online, is_active,
    created_at, updated_at)
SELECT 15031200 + n, company_id, 15031200 + n, 100 + noun.number, 'Категория «' || noun.title || '»',
    noun.title || variant,
    CASE n % 6 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE noun.title || E': всё включено\n— консультация;\n— уход "премиум" ✨' END,
    500 + byte0 * 10, 500 + byte0 * 10 + pg_temp.byte(hash, 1) * 5, 900 * (1 + pg_temp.byte(hash, 2) % 8),
    staff_ids[1 + pg_temp.byte(hash, 3) % 4 : 4 + pg_temp.byte(hash, 3) % 4],
    CASE WHEN n % 5 > 0 THEN ARRAY[company_id * 10 + 1] END,
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' ELSE ARRAY[noun.cases[1], noun.cases[4], NULL, '"' || noun.title || '", акция'] END,
    pg_temp.declension(noun.cases) || jsonb_build_object('original', noun.cases[1], 'phrases',
        jsonb_build_object('на', 'на ' || noun.cases[4], 'для', 'для ' || noun.cases[2], 'после', 'после ' || noun.cases[2])),
    jsonb_build_object('id', 15031200 + n, 'api_id', NULL, 'weight', n % 10, 'seance_length', 900 * (1 + pg_temp.byte(hash, 2) % 8),
        'prepaid', 'forbidden', 'price', jsonb_build_object('min', 500 + byte0 * 10, 'vat', 20.00), 'image_group', '[]'::jsonb),
    n % 63, n % 11 > 0, n % 17 > 0, timestamptz '2025-03-01 10:00:00+00' + n * interval '1 minute',
    timestamptz '2025-11-10 18:00:00+00' - n % 500 * interval '1 hour'
FROM (SELECT n, hash, pg_temp.byte(hash, 0) AS byte0,
             (ARRAY[' «экспресс»', ' с уходом', ' "под ключ"', ' для двоих', ' у топ-мастера', '', ' без спешки'])
                 [1 + ((n - 1) / 9 % 7)::int] AS variant
      FROM (SELECT n, pg_temp.row_hash(:'seed', 'service', n) AS hash FROM generate_series(1, :services::bigint) AS n OFFSET 0) AS h
     ) AS s
JOIN service_noun AS noun ON noun.number = (s.n - 1) % 9
JOIN salon ON k = 1 + (s.n - 1) * :companies / greatest(:services, 1)
ORDER BY s.n;

-- ---- staff, staff_schedules ----------------------------------------------------------------------------------------------

INSERT INTO staff (id, company_id, yclients_id, name, specialization, position_title, phone, avatar_url, rating, votes_count,
    service_ids, branch_ids, declensions, raw_data, hired_on, dismissed_on, is_bookable, is_active, created_at, updated_at)
SELECT id, company_id, id, name.cases[1],
    pg_temp.pick('{парикмахер,"мастер маникюра",барбер,"бровист, визажист",массажист}', byte0),
    CASE s.n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'Топ-мастер "5 звёзд" ⭐' END,
    '+' || pg_temp.phone(s.n * 100003), 'https://cdn.example.com/a/' || md5(:'seed' || id) || '.jpg',
    3 + byte0 % 200 / 100.0, byte0 * 3, service_ids[1 + byte0 % 20 : 8 + byte0 % 20],
    CASE WHEN s.n % 4 > 0 THEN ARRAY[company_id * 10 + 1, company_id * 10 + 2] END,
    pg_temp.declension(name.cases) || jsonb_build_object('phrases',
        jsonb_build_object('к', 'к ' || name.cases[3], 'у', 'у ' || name.cases[2], 'с', 'с ' || name.cases[5])),
    jsonb_build_object('id', id, 'bookable', true, 'user', jsonb_build_object('id', id + 9000000, 'avatar', NULL),
        'rating', 3 + byte0 % 200 / 100.0, 'weight', s.n),
    date '2023-01-09' + byte0, CASE WHEN s.n % 12 = 11 THEN date '2025-10-31' END, s.n % 12 <> 11, s.n % 12 <> 11,
    timestamptz '2025-03-01 11:00:00+00', timestamptz '2025-11-10 20:00:00+00' - s.n * interval '17 minutes'
FROM (SELECT *, get_byte(pg_temp.row_hash(:'seed', 'staff', n), 0) AS byte0 FROM staff_number OFFSET 0) AS s
JOIN staff_name AS name ON name.number = (s.n - 1) % 12
JOIN salon ON k = s.salon
ORDER BY s.n;

INSERT INTO staff_schedules (id, company_id, staff_id, work_date, is_working, starts_at, ends_at, free_slots, breaks,
    created_at, updated_at)
SELECT d.n, company_id, s.id, date '2025-11-10' + ((d.n - 1) / :staff)::int, working,
    CASE WHEN working THEN time '09:00' + byte0 % 4 * interval '30 minutes' END,
    CASE WHEN working THEN time '18:00' + byte0 % 5 * interval '45 minutes' END,
    CASE WHEN NOT working THEN NULL WHEN byte0 % 6 = 0 THEN '{}' ELSE ARRAY['10:00', '11:30', NULL, '16:15'] END,
    CASE WHEN byte0 % 3 = 0 THEN '[]' ELSE '[{"from": "13:00", "to": "13:45", "why": "обед 🍲"}]'::jsonb END,
    timestamptz '2025-11-01 00:00:00+00', timestamptz '2025-11-10 21:00:00+00' + d.n * interval '1 second'
FROM (SELECT n, byte0, byte0 % 5 > 0 AS working
      FROM (SELECT n, get_byte(pg_temp.row_hash(:'seed', 'schedule', n), 0) AS byte0
            FROM generate_series(1, :staff_schedules::bigint) AS n OFFSET 0) AS h) AS d
JOIN staff_number AS s ON s.n = 1 + (d.n - 1) % :staff
JOIN salon ON k = s.salon
ORDER BY d.n;

-- ---- clients -------------------------------------------------------------------------------------------------------------

-- OFFSET 0 keeps each layer a layer: without it the hash would be computed again for every use.
INSERT INTO clients (id, external_id, company_id, yclients_id, name, first_name, last_name, phone, email, birth_date, gender,
    language, source, loyalty_level, client_segment, discount, balance, total_spent, average_bill, visit_count,
    first_visit_date, last_visit_date, branch_ids, tags, last_services, favorite_staff_ids, preferred_time_slots,
    visit_history, preferences, ai_context, goods_purchases, ai_messages_count, ai_satisfaction_score, blacklisted, notes,
    last_sync_at, created_at, updated_at)
SELECT 59000 + n, md5(:'seed' || ':external:' || n)::uuid, company_id, 170000000 + n * 13,
    CASE n % 97 WHEN 13 THEN first_name || ' "Рыжик" ' || last_name WHEN 40 THEN first_name || ' 💅'
                WHEN 71 THEN first_name || E'\t' || last_name ELSE first_name || ' ' || last_name END,
    first_name, CASE n % 97 WHEN 40 THEN NULL WHEN 50 THEN '' ELSE last_name END,
    CASE WHEN n % 29 = 0 THEN NULL WHEN n % 31 = 0 THEN '' ELSE '+' || pg_temp.phone(n) END,
    CASE pg_temp.byte(hash, 3) % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'client' || n || '@example.com' END,
    CASE WHEN pg_temp.byte(hash, 4) > 90 THEN date '1960-02-29' + pg_temp.word(hash, 5) % 16000 END,
    CASE WHEN pg_temp.byte(hash, 7) > 9 THEN CASE WHEN female THEN 'female' ELSE 'male' END END,
    CASE WHEN pg_temp.byte(hash, 7) % 20 = 1 THEN 'en' ELSE 'ru' END,
    pg_temp.pick('{whatsapp,сайт,"Яндекс Карты",2ГИС,"по рекомендации",NULL,""}', pg_temp.byte(hash, 8)),
    CASE WHEN visits = 0 THEN 'new' WHEN spent < 10000 THEN 'bronze' WHEN spent < 25000 THEN 'silver'
         WHEN spent < 45000 THEN 'gold' ELSE 'platinum' END,
    pg_temp.pick('{новые,постоянные,спящие,VIP,"по акции",NULL}', pg_temp.byte(hash, 9)),
    pg_temp.byte(hash, 13) % 4 * 2.5,
    CASE WHEN pg_temp.byte(hash, 14) % 10 = 0 THEN -pg_temp.word(hash, 14) / 100.0 ELSE 0 END,
    spent, CASE WHEN visits > 0 THEN round(spent / visits, 2) END, visits,
    CASE WHEN visits > 0 THEN last_visit - visits * 30 END, CASE WHEN visits > 0 THEN last_visit END,
    CASE pg_temp.byte(hash, 17) % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN ARRAY[company_id * 10 + 1]
         ELSE ARRAY[company_id * 10 + 1, company_id * 10 + 2] END,
    CASE pg_temp.byte(hash, 18) % 8
         WHEN 0 THEN NULL
         WHEN 1 THEN '{}'
         WHEN 2 THEN ARRAY['VIP', NULL, 'любит "погорячее"']
         WHEN 3 THEN ARRAY['a,b', '{скобки}', E'обратная\\косая', '', 'NULL', E'две\nстроки']
         ELSE ARRAY[pg_temp.pick('{кофе ☕,чай,"без разговоров","с ребёнком 👶",аллергия}', pg_temp.byte(hash, 19)),
                    'метка ' || pg_temp.byte(hash, 20)] END,
    CASE WHEN visits > 0 THEN ARRAY[service_a, service_b] END,
    CASE WHEN n = 1006 THEN '{2895125,3164669}' WHEN pg_temp.byte(hash, 21) % 5 = 0 THEN NULL WHEN visits = 0 THEN '{}'
         ELSE array_remove(ARRAY[staff_a, CASE WHEN pg_temp.byte(hash, 21) % 2 = 0 THEN staff_b END], NULL) END,
    CASE pg_temp.byte(hash, 22) % 4 WHEN 0 THEN NULL WHEN 1 THEN ARRAY['10:00-12:00'] WHEN 2 THEN ARRAY['18:00-21:00', 'сб, вс']
         ELSE ARRAY['10:00-12:00', NULL, '"после работы"'] END,
    ('[' || CASE WHEN n = 1006 THEN
                     (SELECT string_agg(pg_temp.visit(n, v, last_visit, CASE v % 2 WHEN 0 THEN staff_a ELSE staff_b END,
                                                      CASE v % 2 WHEN 0 THEN service_a ELSE service_b END), ', ' ORDER BY v)
                      FROM generate_series(0, visits - 1) AS v)
                 WHEN visits = 0 THEN ''
                 ELSE pg_temp.visit(n, 0, last_visit, staff_a, service_a)
                      || CASE WHEN visits > 5 THEN ', ' || pg_temp.visit(n, 1, last_visit, staff_b, service_b) ELSE '' END
                      || CASE WHEN visits > 9 THEN ', ' || pg_temp.visit(n, 2, last_visit, staff_a, service_a) ELSE '' END
            END || ']')::jsonb,
    CASE WHEN pg_temp.byte(hash, 23) % 8 = 0 THEN NULL WHEN pg_temp.byte(hash, 23) = 9 THEN 'null'::jsonb
         ELSE ('{"drink": ' || pg_temp.pick('{"\"кофе ☕\"","\"чай \\\"улун\\\"\"","\"вода\"","null"}', pg_temp.byte(hash, 24))
               || ', "budget": {"min": 1000.00, "max": ' || 2000 + pg_temp.word(hash, 25) % 5000
               || '}, "notify": ["whatsapp", null, ' || CASE WHEN pg_temp.byte(hash, 26) % 2 = 0 THEN 'true' ELSE 'false' END
               || '], "exact": 12345678901234567890.1250, "empty": [{}, ""], "token": "'
               || encode(substr(hash, 30, 8), 'hex') || '"}')::jsonb END,
    CASE WHEN n = 847 THEN
        jsonb_build_object('conversation_id', md5(:'seed' || ':conversation'), 'state', 'confirming', 'last_intent', 'create_booking',
            'language', 'ru', 'confidence', 0.970,
            'slots', jsonb_build_object('service_id', 15031251, 'service', 'стрижка', 'staff_id', 2895125, 'date', '2025-11-12',
                                        'time', '18:30', 'alternatives', jsonb_build_array('19:00', '19:30'), 'comment', NULL),
            'facts', jsonb_build_object('любит', 'кофе ☕ без сахара', 'просит', E'записать к "Сергею"\nпосле 18:00', 'аллергия', '{}'::text[]),
            'summary', E'Клиентка хочет на стрижку к Сергею; отвечает эмодзи 🙏👍\\o/.',
            'messages', (SELECT jsonb_agg(jsonb_build_object('n', m, 'role', CASE WHEN m % 2 = 1 THEN 'client' ELSE 'assistant' END,
                                'at', to_char(timestamp '2025-11-10 17:00:00' + m * interval '40 seconds', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                                'id', md5(:'seed' || ':message:' || m),
                                'text', pg_temp.pick('{"Можно на стрижку?","К \"Сергею\", пожалуйста 🙏","Завтра в 18:30?","Да 👍"}', m))
                                ORDER BY m) FROM generate_series(1, 64) AS m))
         WHEN pg_temp.byte(hash, 28) % 6 = 0 THEN NULL
         WHEN pg_temp.byte(hash, 28) % 6 = 1 THEN '{}'::jsonb
         ELSE ('{"state": "' || pg_temp.pick('{idle,choosing_time,done}', pg_temp.byte(hash, 29))
               || '", "last_intent": "' || pg_temp.pick('{create_booking,ask_price,cancel}', pg_temp.byte(hash, 30))
               || '", "summary": "' || first_name || pg_temp.pick('{": вопрос о ценах, ждёт ответа",": хочет на «стрижку» 💇",": не отвечает"}', pg_temp.byte(hash, 31))
               || '", "turns": [{"role": "client", "text": "Здравствуйте!\nЕсть время сегодня?"}, {"role": "assistant", "text": "Да, в '
               || 10 + pg_temp.byte(hash, 32) % 9 || ':30 👍"}], "ref": "' || encode(substr(hash, 38, 12), 'hex')
               || '", "score": ' || pg_temp.word(hash, 33) / 1000.0 || '}')::jsonb END,
    CASE WHEN pg_temp.byte(hash, 35) % 3 = 0 THEN
        ('[{"sku": "SH-' || pg_temp.byte(hash, 36) || '", "title": "Шампунь \"Мята\" 250 мл", "qty": 1, "price": 890.00}]')::jsonb END,
    CASE WHEN n = 847 THEN 64 ELSE pg_temp.byte(hash, 37) % 30 END,
    CASE WHEN pg_temp.byte(hash, 38) > 100 THEN 3 + pg_temp.byte(hash, 38) % 200 / 100.0 END,
    pg_temp.byte(hash, 39) = 0,
    pg_temp.pick(ARRAY[NULL, '', NULL, 'Просит «потише» 🎧', E'Сказала: "Буду позже"\nПерезвонить после 18:00', E'C:\\клиенты\\фото\tтаблица',
                       E'\\N', E'\\.', 'NULL', '  пробелы по краям  ', 'О''Коннор — не путать с Коннор', E'строка\r\nещё одна\r\n',
                       '👨‍👩‍👧‍👦 семья', 'й из двух знаков', '{"это": "не JSON"}', '100 % «да»; -- ; DROP'], pg_temp.byte(hash, 40)),
    CASE WHEN pg_temp.byte(hash, 41) > 20 THEN timestamptz '2025-11-11 08:00:00+00' - pg_temp.word(hash, 41) * interval '1 second' END,
    timestamptz '2025-03-01 00:00:00+00' + n * interval '1.000001 second',
    timestamptz '2025-11-11 09:00:00+00' - pg_temp.word(hash, 43) * interval '61.003 seconds'
FROM (SELECT n, hash, company_id, female, visits, last_visit,
             visits * (1500 + pg_temp.word(hash, 10) % 4000 + pg_temp.byte(hash, 12) % 100 / 100.0) AS spent,
             CASE WHEN female THEN pg_temp.pick('{Анна,Мария,Екатерина,Ольга,Ксения,Алёна,Дарья,Софья,Юлия,Любовь,Полина,Елена,Вера,Айгуль,Жанна,Фёкла}', pg_temp.byte(hash, 1))
                  ELSE pg_temp.pick('{Иван,Сергей,Пётр,Дмитрий,Артём,Алексей,Илья,Егор,Руслан,Тимур}', pg_temp.byte(hash, 1)) END AS first_name,
             pg_temp.pick('{Иванов,Смирнов,Кузнецов,Попов,Соколов,Лебедев,Козлов,Новиков,Морозов,Волков,Соловьёв,Зайцев,Голубев,Щукин,Ершов,Объедков}', pg_temp.byte(hash, 2))
                 || CASE WHEN female THEN 'а' ELSE '' END AS last_name,
             CASE WHEN n = 1006 THEN 2895125 ELSE staff_ids[1 + pg_temp.byte(hash, 45) % greatest(cardinality(staff_ids), 1)] END AS staff_a,
             CASE WHEN n = 1006 THEN 3164669 ELSE staff_ids[1 + pg_temp.byte(hash, 46) % greatest(cardinality(staff_ids), 1)] END AS staff_b,
             pg_temp.pick('{Стрижка,Маникюр,"Укладка \"волна\"","Окрашивание, тон",Педикюр}', pg_temp.byte(hash, 47)) AS service_a,
             pg_temp.pick('{Стрижка,Массаж,Бритьё,Коррекция,"Ламинирование «лён»"}', pg_temp.byte(hash, 48)) AS service_b
      FROM (SELECT n, hash, 1 + (n - 1) * :companies / :clients AS k,
                   get_byte(hash, 0) % 3 > 0 AS female,
                   CASE WHEN n = 1006 THEN 12 ELSE get_byte(hash, 49) % 13 END AS visits,
                   date '2025-11-10' - pg_temp.word(hash, 15) % 400 AS last_visit
            FROM (SELECT n, pg_temp.row_hash(:'seed', 'client', n) AS hash
                  FROM generate_series(1, :clients::bigint) AS n OFFSET 0) AS h) AS p
      JOIN salon USING (k)
      OFFSET 0) AS c;

-- ---- bookings, dialog_contexts -------------------------------------------------------------------------------------------

INSERT INTO bookings (id, company_id, yclients_record_id, client_id, staff_id, service_ids, starts_at, duration_seconds,
    status, cost, prepaid, comment, source, is_online, reminder_sent_at, cancelled_at, raw_data, created_at, updated_at)
SELECT n, company_id, 5200000000 + n, 59000 + client,
    CASE WHEN n % 15 > 0 THEN staff_ids[1 + pg_temp.byte(hash, 3) % greatest(cardinality(staff_ids), 1)] END,
    CASE WHEN n % 3 = 0 THEN ARRAY[service_a, service_b] ELSE ARRAY[service_a] END,
    starts_at, 1800 * (1 + pg_temp.byte(hash, 4) % 4), status, 900 + pg_temp.word(hash, 5) % 9000 / 2.0, n % 4 * 100,
    pg_temp.pick(ARRAY[NULL, '', 'Опоздает на 10 минут 🏃', E'"Срочно"\nпозвонить', E'скидка\t10 %\\20 %'], pg_temp.byte(hash, 7)),
    pg_temp.pick('{whatsapp,сайт,администратор}', pg_temp.byte(hash, 8)), n % 7 > 0,
    CASE WHEN n % 2 = 0 THEN starts_at - interval '1 day' END,
    CASE WHEN status = 'cancelled' THEN starts_at - interval '3 hours' END,
    CASE WHEN n % 9 > 0 THEN jsonb_build_object('id', 5200000000 + n, 'visit_id', 4100000000 + n, 'attendance', n % 3 - 1,
        'services', jsonb_build_array(jsonb_build_object('id', service_a, 'cost', 900.50, 'discount', 0)),
        'client', jsonb_build_object('phone', '+' || pg_temp.phone(client), 'card', NULL), 'deleted', false) END,
    starts_at - interval '5 days 03:14:15.926535', starts_at - interval '1 day'
FROM (SELECT b.*, salon.*, service_ids[1 + pg_temp.byte(hash, 10) % cardinality(service_ids)] AS service_a,
             service_ids[1 + pg_temp.byte(hash, 11) % cardinality(service_ids)] AS service_b,
             (ARRAY['pending', 'confirmed', 'arrived', 'no_show', 'cancelled'])[1 + pg_temp.byte(hash, 9) % 5] AS status,
             timestamptz '2025-11-01 07:00:00+00' + pg_temp.word(hash, 12) % 1440 * interval '15 minutes' AS starts_at
      FROM (SELECT n, hash, 1 + (pg_temp.word(hash, 0)::bigint * 256 + get_byte(hash, 2)) % :clients AS client
            FROM (SELECT n, pg_temp.row_hash(:'seed', 'booking', n) AS hash
                  FROM generate_series(1, :bookings::bigint) AS n OFFSET 0) AS h) AS b
      JOIN salon ON k = 1 + (client - 1) * :companies / :clients
      OFFSET 0) AS s
ORDER BY n;

INSERT INTO dialog_contexts (id, session_id, company_id, client_id, user_id, state, last_intent, data, messages,
    context_metadata, messages_count, expires_at, last_activity_at, created_at, updated_at)
SELECT n, md5(:'seed' || ':dialog:' || n)::uuid, company_id,
    CASE WHEN n % 10 > 0 THEN 59000 + client END,                     -- every tenth is a stranger
    pg_temp.phone(client) || '@c.us', state,
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'create_booking' END,
    jsonb_build_object('selected', jsonb_build_object('service_id', service_ids[1 + byte0 % cardinality(service_ids)], 'time', NULL),
        'candidates', jsonb_build_array('12:00', '15:30'), 'note', E'клиент пишет: "можно\\нельзя?"\n🤔'),
    (SELECT coalesce(jsonb_agg(jsonb_build_object('role', CASE WHEN m % 2 = 1 THEN 'client' ELSE 'assistant' END, 'id', md5(:'seed' || n || ':' || m),
                'text', pg_temp.pick('{"Добрый день! 😊","Хочу на маникюр","Есть \"окно\" в 15:30","Спасибо ❤️"}', m)) ORDER BY m), '[]')
     FROM generate_series(1, byte0 % 12) AS m),
    CASE WHEN n % 6 > 0 THEN jsonb_build_object('model', 'v2', 'tokens', byte0 * 37, 'latency_ms', byte0 * 4.250, 'flags', '{}'::text[]) END,
    byte0 % 12,
    CASE n % 7 WHEN 0 THEN 'infinity' WHEN 1 THEN NULL ELSE timestamptz '2025-11-12 09:00:00+00' + byte0 * interval '1 minute' END,
    timestamptz '2025-11-11 09:00:00+00' - byte0 * interval '7 minutes', timestamptz '2025-11-01 00:00:00+00' + n * interval '1 minute',
    timestamptz '2025-11-11 09:00:00+00' - byte0 * interval '7 minutes'
FROM (SELECT d.*, salon.*, (ARRAY['idle', 'choosing_service', 'choosing_time', 'confirming', 'done'])[1 + byte0 % 5] AS state
      FROM (SELECT n, 1 + (n - 1) * :clients / :dialog_contexts AS client, get_byte(pg_temp.row_hash(:'seed', 'dialog', n), 0) AS byte0
            FROM generate_series(1, :dialog_contexts::bigint) AS n OFFSET 0) AS d
      JOIN salon ON k = 1 + (client - 1) * :companies / :clients
      OFFSET 0) AS s
ORDER BY n;

-- The application goes on where the generator stopped.
SELECT setval(pg_get_serial_sequence('companies', 'id'), (SELECT max(id) FROM companies)) AS companies,
       setval(pg_get_serial_sequence('clients', 'id'), (SELECT max(id) FROM clients)) AS clients,
       setval(pg_get_serial_sequence('staff_schedules', 'id'), (SELECT max(id) FROM staff_schedules)) AS staff_schedules,
       setval(pg_get_serial_sequence('bookings', 'id'), (SELECT max(id) FROM bookings)) AS bookings,
       setval(pg_get_serial_sequence('dialog_contexts', 'id'), (SELECT max(id) FROM dialog_contexts)) AS dialog_contexts
\gset last_
COMMIT;

-- A small sample will do: reading 30,000 wide rows takes as long as a tenth of the loading.
SET default_statistics_target = 20;
ANALYZE companies, clients, services, staff, staff_schedules, bookings, dialog_contexts;

SELECT 'companies' AS "table", count(*) AS rows FROM companies
UNION ALL SELECT 'clients', count(*) FROM clients
UNION ALL SELECT 'services', count(*) FROM services
UNION ALL SELECT 'staff', count(*) FROM staff
UNION ALL SELECT 'staff_schedules', count(*) FROM staff_schedules
UNION ALL SELECT 'bookings', count(*) FROM bookings
UNION ALL SELECT 'dialog_contexts', count(*) FROM dialog_contexts;
