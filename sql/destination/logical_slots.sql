-- Logical replication slots of one database: they stay with it when it is renamed, and keep WAL until they are dropped.
-- $1 name. Any role may read this.
SELECT s.slot_name::text AS slot
  FROM pg_catalog.pg_replication_slots AS s
 WHERE s.database = $1
 ORDER BY s.slot_name
