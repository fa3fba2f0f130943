-- The columns of all of the user's tables, without dropped ones. A statistics target, storage or collation is given
-- only where it is not what a new column gets.
SELECT a.attrelid AS table,
       a.attnum AS number,
       a.attname AS name,
       a.atttypid AS type,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
       co.collname AS collation,
       cn.nspname AS collation_schema,
       a.attnotnull AS not_null,
       nn.oid AS not_null_oid,
       nn.conname AS not_null_name,
       nn.conislocal AS not_null_local,
       nn.connoinherit AS not_null_no_inherit,
       nn.convalidated AS not_null_validated,
       d.oid AS default_oid,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_expression,
       a.attgenerated::pg_catalog.text AS generated,
       a.attidentity::pg_catalog.text AS identity,
       CASE WHEN a.attstorage OPERATOR(pg_catalog.<>) t.typstorage
            THEN a.attstorage::pg_catalog.text END AS storage,
       a.attcompression::pg_catalog.text AS compression,
       NULLIF(a.attstattarget, -1)::pg_catalog.int2 AS statistics,
       a.attoptions AS options,
       CASE WHEN a.attfdwoptions IS NOT NULL THEN (
           SELECT pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name, o.option_value), ', ' ORDER BY o.option_name)
             FROM pg_catalog.pg_options_to_table(a.attfdwoptions) AS o
       ) END AS foreign_options,
       a.attislocal AS is_local
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
  JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef AS d
    ON d.adrelid OPERATOR(pg_catalog.=) a.attrelid AND d.adnum OPERATOR(pg_catalog.=) a.attnum
  LEFT JOIN pg_catalog.pg_collation AS co
    ON co.oid OPERATOR(pg_catalog.=) a.attcollation AND a.attcollation OPERATOR(pg_catalog.<>) t.typcollation
  LEFT JOIN pg_catalog.pg_namespace AS cn ON cn.oid OPERATOR(pg_catalog.=) co.collnamespace
  LEFT JOIN pg_catalog.pg_constraint AS nn
    ON nn.contype OPERATOR(pg_catalog.=) 'n'
   AND nn.conrelid OPERATOR(pg_catalog.=) a.attrelid
   AND nn.conkey[1] OPERATOR(pg_catalog.=) a.attnum
 WHERE c.relkind IN ('r', 'p', 'f')
   AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
   AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'
   AND c.oid OPERATOR(pg_catalog.>=) 16384
   AND a.attnum OPERATOR(pg_catalog.>) 0
   AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
