-- How the logical slot $1 stands: what is confirmed, who uses it, what it keeps of the log and for how long that is safe,
-- and whether it is of the kind that a mirror makes. The database is not the current one where somebody made another slot of
-- this name. Why the server gave it up is said from 16 and 17 on, in columns that older servers lack. With it how far the log
-- itself is on disk, when that was, and how much of it the server keeps for any slot (-1: without a bound).
SELECT s.confirmed_flush_lsn::pg_catalog.text AS confirmed,
       s.restart_lsn::pg_catalog.text AS restart,
       s.active_pid,
       a.application_name AS active_application,
       s.wal_status,
       j.row ->> 'invalidation_reason' AS invalidation_reason,
       (j.row ->> 'conflicting')::pg_catalog.bool AS conflicting,
       s.safe_wal_size AS safe,
       s.slot_type = 'logical' AND s.plugin = 'pgoutput' AND s.database = pg_catalog.current_database()
           AND NOT s.two_phase AND NOT s.temporary AS is_as_made,
       (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
             ELSE pg_catalog.pg_current_wal_flush_lsn() END)::pg_catalog.text AS flushed,
       pg_catalog.clock_timestamp() AS at,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size')) AS kept_for_slots,
       COALESCE(pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn), 0)::pg_catalog.int8 AS retained
  FROM pg_catalog.pg_replication_slots AS s
  CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS row) AS j
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = s.active_pid
 WHERE s.slot_name = $1
