-- Prepared transactions of one database: they outlive their sessions, and nothing but COMMIT or ROLLBACK PREPARED ends them.
-- $1 oid. Any role may read this.
SELECT p.gid,
       p.owner::text AS owner,
       p.prepared::text AS since
  FROM pg_catalog.pg_prepared_xacts AS p
  JOIN pg_catalog.pg_database AS d ON d.datname = p.database
 WHERE d.oid = $1
 ORDER BY p.prepared
