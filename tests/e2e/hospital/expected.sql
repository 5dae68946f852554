-- What the mapping says of each target table, in SQL and on the source. Rows that the target has to refuse are left out.
create schema expected;

-- Patients that do not move (where) or are refused (a CHECK), and what refers to them or to a refused row.
create view expected.gone as select id from care.patient where deceased or born < '1900-01-01';
create view expected.department as select * from care.department where cost_centre is not null;
create view expected.ward as select w.* from care.ward w join expected.department using (site_id, dept_no);
create view expected.admission as
    select a.* from care.admission a join expected.ward w on w.id = a.ward_id where patient_id not in (select id from expected.gone);
create view expected.prescription as select * from care.prescription where note is not null and patient_id not in (select id from expected.gone);
create view expected.appointment as select * from care.appointment where patient_id not in (select id from expected.gone);
create view expected.invoice as select * from billing.invoice where not cancelled and patient_id not in (select id from expected.gone);
create view expected.lab_order as select * from "Lab"."Order" where "PatientId" not in (select id from expected.gone);

create view expected."core.countries" as select * from care.country;
create view expected."core.sites" as select * from care.site;
create view expected."core.departments" as select * from expected.department;
create view expected."core.employees" as
    select id, site_id, dept_no, full_name, badge, email, hired::timestamp at time zone 'UTC', grade, languages, mentor from care.staff;
create view expected."core.persons" as
    select id, mrn, family_name, given_names, born, case sex when 'm' then 'male' when 'f' then 'female' when 'x' then 'diverse' else 'unknown' end,
        mother, contact, created at time zone 'UTC', touched, upper(family_name), 'old-his', jsonb_build_object('version', 3, 'system', 'old-his')
    from care.patient where id not in (select id from expected.gone);
create view expected."core.medical_data" as
    select id, weight_kg::numeric(6, 3), allergies, photo from care.patient where id not in (select id from expected.gone);
create view expected."core.addresses" as select * from care.patient_address where patient_id not in (select id from expected.gone);
create view expected."core.""Insurance""" as select * from "Lab"."Insurance Plan";
create view expected."core.insurances" as select * from care.patient_insurance where patient_id not in (select id from expected.gone);
create view expected."core.wards" as select id, site_id, dept_no, label, visit_order from expected.ward;
create view expected."core.beds" as select * from care.bed where ward_id in (select id from expected.ward);
create view expected."core.stays" as select id, admitted, discharged, patient_id, ward_id, reason from expected.admission;
create view expected."core.stay_notes" as
    select n.* from care.admission_note n join expected.admission a on a.id = n.admission_id and a.admitted = n.admitted;
create view expected."core.vitals" as
    select patient_id, taken, kind, value, raw::text::float8, flags from care.vital_sign where patient_id not in (select id from expected.gone);
create view expected."lab.orders" as
    select "Region", "Id", "PatientId", "OrderedAt" at time zone 'UTC', "Urgent", "Tubes" from expected.lab_order;
create view expected."lab.results" as
    select r.* from "Lab"."Result" r join expected.lab_order o on o."Region" = r."Region" and o."Id" = r."OrderId";
create view expected."core.drugs" as select code, title, ingredients, half_life, narcotic from care.drug;
create view expected."core.prescriptions" as select id, patient_id, prescriber, issued::timestamp, note from expected.prescription;
create view expected."core.prescription_items" as
    select prescription_id, item_no, drug_code, times from care.prescription_item where prescription_id in (select id from expected.prescription);
create view expected."core.images" as select * from care.imaging_study where patient_id not in (select id from expected.gone);
create view expected."core.readings" as select * from care.device_reading;
create view expected."core.rooms" as select * from care.room;
create view expected."core.operations" as select * from care.operation where patient_id not in (select id from expected.gone);
create view expected."core.shifts" as select * from care.shift;
create view expected."core.equipment" as
    select serial, bought, price::numeric(10, 1), site_id, mac, concat(addr) from care.equipment;
create view expected."core.equipment_services" as select * from care.equipment_service;
create view expected."core.consents" as select * from care.consent;
create view expected."core.diagnoses" as select * from care.diagnosis;
create view expected."core.person_diagnoses" as select * from care.patient_diagnosis where patient_id not in (select id from expected.gone);
create view expected."core.referrals" as select * from care.referral where patient_id not in (select id from expected.gone);
create view expected."core.visits" as
    select id, patient_id, staff_id, at, case state when 'booked' then 'planned' when 'arrived' then 'here' when 'no-show' then 'missed'
        when 'done' then 'done' else 'cancelled' end, referral_id, reminder
    from expected.appointment;
create view expected."core.visit_history" as
    select * from care.appointment_history where appointment_id in (select id from expected.appointment);
create view expected."finance.currencies" as select * from billing.currency;
create view expected."finance.rates" as select * from billing.exchange_rate;
create view expected."finance.tariffs" as select * from billing.tariff;
create view expected."finance.invoices" as
    select no, patient_id, issued, currency, net, vat, gross, 'old-his' from expected.invoice;
create view expected."finance.invoice_lines" as
    select * from billing.invoice_line where invoice_no in (select no from expected.invoice) and length(comment) <= 100;
create view expected."finance.payments" as
    select id, invoice_no, at, amount, case method when 'transfer' then 'bank' else method::text end, payer_xml, null
    from billing.payment where invoice_no in (select no from expected.invoice) and amount > 0 and method <> 'insurer';
create view expected."finance.accounts" as select id, holder, opened, balance from billing.account;
create view expected."finance.account_secrets" as select id, iban, secret_hint from billing.account;
create view expected."finance.dunning" as select * from billing.dunning;
create view expected."finance.ledger" as select * from billing.ledger_entry;
create view expected."core.settings" as select name, value, '' from billing.setting;
