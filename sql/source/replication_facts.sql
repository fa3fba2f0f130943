-- Whether a logical slot can be made here, and by our role. Any role may read this.
SELECT pg_catalog.current_setting('wal_level') AS wal_level,
       CURRENT_USER::pg_catalog.text AS role,
       pg_catalog.current_database()::pg_catalog.text AS database,
       pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.current_setting('hot_standby_feedback') = 'on' AS feedback,
       (SELECT r.rolsuper OR r.rolreplication FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER) AS may_replicate,
       pg_catalog.current_setting('max_slot_wal_keep_size') = '-1'
           AND COALESCE(pg_catalog.current_setting('idle_replication_slot_timeout', true), '0') = '0' AS unbounded,
       pg_catalog.current_setting('max_replication_slots')::pg_catalog.int8
           - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AS free_slots
