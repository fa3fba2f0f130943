-- The relations that a clone may lock and read, with what a COPY of each depends on.
-- Kinds r (table) and p (partitioned table). Of members of extensions only the tables that hold rows of the user (manual,
-- "Extension Configuration Tables"). Temporary tables are not there, nor is what a mirror into this database keeps in it. Run
-- under the snapshot, and again outside it once the locks are held: a row that differs tells that the snapshot would not see the table as it is (TRUNCATE, rewrite, new columns).
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       e.extname AS extension,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.concat_ws(' ', n.nspname, c.relname, c.relkind, c.relfilenode, a.digest) AS state
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_depend AS m
    ON m.classid = 1259 AND m.objid = c.oid AND m.deptype = 'e' AND m.refclassid = 3079
  LEFT JOIN pg_catalog.pg_extension AS e ON e.oid = m.refobjid
  LEFT JOIN (
       SELECT t.attrelid,
              pg_catalog.sum(pg_catalog.hashtextextended(
                  pg_catalog.concat_ws(' ', t.attnum, t.attname, t.atttypid, t.atttypmod, t.attisdropped, t.attgenerated), 0)) AS digest
         FROM pg_catalog.pg_attribute AS t
        WHERE t.attnum > 0
        GROUP BY t.attrelid) AS a ON a.attrelid = c.oid
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence <> 't'
   AND (e.oid IS NULL OR c.relkind = 'r' AND c.oid = ANY (e.extconfig))
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'multiboard_sync')
 ORDER BY c.oid
