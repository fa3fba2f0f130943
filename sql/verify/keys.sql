-- The columns by which each table's rows are known: of its primary key, else of the index of its replica identity.
SELECT DISTINCT ON (c.oid)
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.position)
          FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, position)
          JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE k.position <= i.indnkeyatts) AS columns
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE (i.indisprimary OR i.indisreplident)
   AND i.indisvalid
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY c.oid, i.indisprimary DESC
