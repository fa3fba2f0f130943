-- What depends on how these collations ($1) order text: indexes, partition keys, checks that compare. Of a deterministic one hash
-- indexes, lists and hash partitions ask for equal bytes only and are not concerned. Partitions of an index, and checks that
-- came from a parent, go with those. `relation` is the table, 0 for a domain. Any role may read this.
WITH asked AS (
    SELECT c.oid, c.collisdeterministic AS deterministic
      FROM pg_catalog.pg_collation AS c
     WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1)),
-- What an order of btree is made of; strategy 3 is equality.
comparing AS (
    SELECT o.amopopr AS oid, pg_catalog.bool_and(o.amopstrategy OPERATOR(pg_catalog.=) 3) AS equality
      FROM pg_catalog.pg_amop AS o
     WHERE o.amopmethod OPERATOR(pg_catalog.=) 403
     GROUP BY o.amopopr)
SELECT a.oid AS collation, 'index' AS kind, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name,
       NULL::pg_catalog.text AS part, i.indrelid AS relation
  FROM asked AS a
  JOIN pg_catalog.pg_index AS i
    ON a.oid OPERATOR(pg_catalog.=) ANY (i.indcollation::pg_catalog.oid[])
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE i.indexrelid OPERATOR(pg_catalog.>=) 16384
   AND NOT c.relispartition
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND NOT (a.deterministic AND c.relam OPERATOR(pg_catalog.=) 405)
UNION ALL
SELECT a.oid, 'partition key of', n.nspname, c.relname, NULL, c.oid
  FROM asked AS a
  JOIN pg_catalog.pg_partitioned_table AS p
    ON a.oid OPERATOR(pg_catalog.=) ANY (p.partcollation::pg_catalog.oid[])
  JOIN pg_catalog.pg_class AS c ON c.oid = p.partrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE p.partstrat = 'r' OR NOT a.deterministic
UNION ALL
SELECT a.oid, 'check', COALESCE(n.nspname, tn.nspname), COALESCE(c.relname, t.typname), k.conname::pg_catalog.text, k.conrelid
  FROM asked AS a
  JOIN pg_catalog.pg_constraint AS k
    ON k.contype = 'c' AND k.oid OPERATOR(pg_catalog.>=) 16384
   AND pg_catalog.strpos(k.conbin::pg_catalog.text, ':inputcollid ' || a.oid || ' ') > 0
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_type AS t ON t.oid = k.contypid
  LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace
 WHERE k.conislocal
   AND EXISTS (
       SELECT FROM pg_catalog.regexp_matches(
                  k.conbin::pg_catalog.text, ':opno (\d+) [^{]*:inputcollid ' || a.oid || ' ', 'g') AS m(found)
         JOIN comparing AS o ON o.oid OPERATOR(pg_catalog.=) m.found[1]::pg_catalog.oid
        WHERE NOT (a.deterministic AND o.equality))
 ORDER BY 1, 2 DESC, 3, 4, 5
