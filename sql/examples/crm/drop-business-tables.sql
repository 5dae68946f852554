-- crm, the target: drops the ten business tables and keeps whatsapp_auth and whatsapp_keys. target.sql creates them again.
--
-- The list is explicit and without CASCADE: what somebody else built upon these tables stops the script. So does a database
-- in which the two kept tables are not there, the source for one. Either way nothing is dropped.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
BEGIN;

-- Dependents first.
DROP TABLE IF EXISTS company_sync_status;
DROP TABLE IF EXISTS actions;
DROP TABLE IF EXISTS messages;
DROP TABLE IF EXISTS dialog_contexts;
DROP TABLE IF EXISTS bookings;
DROP TABLE IF EXISTS staff_schedules;
DROP TABLE IF EXISTS staff;
DROP TABLE IF EXISTS services;
DROP TABLE IF EXISTS clients;
DROP TABLE IF EXISTS companies;

DO $$
BEGIN
    IF to_regclass('whatsapp_auth') IS NULL OR to_regclass('whatsapp_keys') IS NULL THEN
        RAISE EXCEPTION 'whatsapp_auth and whatsapp_keys do not stand here, nothing was dropped'
            USING HINT = 'this script is for the target of the crm example';
    END IF;
END
$$;

COMMIT;

SELECT 'whatsapp_auth' AS kept, count(*) AS rows FROM whatsapp_auth
UNION ALL
SELECT 'whatsapp_keys', count(*) FROM whatsapp_keys
ORDER BY kept;
