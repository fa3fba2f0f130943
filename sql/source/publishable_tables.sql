-- Tables with rows: ordinary tables, partitions and materialized views, and partitioned tables that are no partitions themselves;
-- of no extension and not the server's own. A publication gives out the changes of those that are logged and no views. With whether our role owns each and whether updates
-- and deletes name their row: by a primary key, a chosen index or all columns. A generated column is not sent: an identity
-- that has one names nothing, and from 18 on the application's own updates and deletes of such a table fail once it is
-- published, all columns as its identity included. A deferrable key identifies nothing: two rows may have one value for a while.
-- What partitions made later identify their rows by is the partitioned table's primary key.
-- $1 a publication: whether each is in it, or the partitioned table that it belongs to.
SELECT c.oid::pg_catalog.int8 AS oid,
       EXISTS (SELECT FROM pg_catalog.pg_publication_rel AS pr
                 JOIN pg_catalog.pg_publication AS p ON p.oid = pr.prpubid
                WHERE pr.prrelid IN (c.oid, r.oid) AND p.pubname = $1) AS published,
       EXISTS (SELECT FROM pg_catalog.pg_publication_rel AS pr
                 JOIN pg_catalog.pg_publication AS p ON p.oid = pr.prpubid
                WHERE pr.prrelid = c.oid AND p.pubname = $1) AS listed,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       c.relkind = 'p' AS partitioned,
       c.relkind = 'm' AS is_view,
       c.relpersistence = 'u' AS unlogged,
       rn.nspname::pg_catalog.text AS root_schema,
       r.relname::pg_catalog.text AS root_name,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       c.relkind = 'r' AND c.relreplident = 'f' AND NOT f.generated
       OR EXISTS (
          SELECT FROM pg_catalog.pg_index AS i
           WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
             AND (c.relreplident = 'd' AND i.indisprimary OR c.relkind = 'r' AND c.relreplident = 'i' AND i.indisreplident)
             AND NOT EXISTS (
                 SELECT FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) AS k (attnum)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
                  WHERE a.attgenerated <> '')) AS identified,
       EXISTS (SELECT FROM pg_catalog.pg_index AS i
                WHERE i.indrelid = c.oid AND i.indisprimary AND NOT i.indimmediate AND c.relreplident = 'd') AS deferrable,
       c.relreplident = 'f' AND f.generated AS generated_in_full
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_class AS r ON c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid)
  LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
 CROSS JOIN LATERAL (
       SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 180000
              AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                           WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated <> '' AND NOT a.attisdropped)
       ) AS f (generated)
 WHERE (c.relkind IN ('r', 'm') OR c.relkind = 'p' AND NOT c.relispartition)
   AND c.relpersistence IN ('p', 'u')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'multiboard_sync')
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS m
        WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid AND m.deptype = 'e')
 ORDER BY c.oid
