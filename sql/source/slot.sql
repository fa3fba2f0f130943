-- How the logical slot $1 stands: what is confirmed, who uses it, what it keeps of the log.
SELECT s.confirmed_flush_lsn::pg_catalog.text AS confirmed,
       s.active_pid,
       a.application_name AS active_application,
       COALESCE(s.wal_status, 'lost') AS wal_status,
       COALESCE(pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn), 0)::pg_catalog.int8 AS retained
  FROM pg_catalog.pg_replication_slots AS s
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = s.active_pid
 WHERE s.slot_name = $1
   AND s.slot_type = 'logical'
   AND s.database = pg_catalog.current_database()
