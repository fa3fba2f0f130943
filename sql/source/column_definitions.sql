-- The columns of the table with oid $1 as they would be made, in their order: type, collation where it is not the type's own,
-- default or expression. `missing` is what rows had that were there when the column was added, where the server keeps it.
SELECT a.attname::pg_catalog.text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attcollation <> t.typcollation
            THEN (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname)
                    FROM pg_catalog.pg_collation AS l JOIN pg_catalog.pg_namespace AS n ON n.oid = l.collnamespace
                   WHERE l.oid = a.attcollation) END AS collation,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression,
       a.attgenerated::pg_catalog.text AS generated,
       a.attidentity::pg_catalog.text AS identity,
       a.attnotnull AS not_null,
       -- An array of one, whose element is printed as a literal: of a type that nobody knows here no other way leads to it.
       CASE WHEN a.atthasmissing
            THEN pg_catalog.quote_nullable(pg_catalog.array_to_string(a.attmissingval::pg_catalog.text::pg_catalog.text[], '')) END AS missing
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
