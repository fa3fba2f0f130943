-- The tables whose changes the publication $1 gives out, with the partitions of those that are published whole.
SELECT c.oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name
  FROM pg_catalog.pg_publication_tables AS p
  JOIN pg_catalog.pg_namespace AS pn ON pn.nspname = p.schemaname
  JOIN pg_catalog.pg_class AS t ON t.relnamespace = pn.oid AND t.relname = p.tablename
 CROSS JOIN LATERAL (
       SELECT t.oid AS part
        UNION
       SELECT l.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(t.oid) AS l WHERE l.isleaf) AS parts
  JOIN pg_catalog.pg_class AS c ON c.oid = parts.part
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE p.pubname = $1
