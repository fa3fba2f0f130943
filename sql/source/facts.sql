-- What a source shows of itself and of our role, before anything is read of its schema.
-- Any role may read this; pg_control_system() is executable by everyone.
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version,
       CURRENT_USER::text AS role,
       r.rolsuper AS superuser,
       r.rolbypassrls AS bypasses_rls,
       d.oid AS database_oid,
       d.datname::text AS database,
       pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
       pg_catalog.pg_database_size(d.oid) AS database_bytes,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS k
         WHERE k.relkind IN ('r', 'p', 'm') AND k.oid >= 16384) AS relations,
       (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() AS c) AS system_identifier,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8
           * (pg_catalog.current_setting('max_connections')::pg_catalog.int8
              + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8) AS lock_slots
  FROM pg_catalog.pg_database AS d
  JOIN pg_catalog.pg_roles AS r ON r.rolname = CURRENT_USER
 WHERE d.datname = pg_catalog.current_database()
