-- The user's sequences with their definition and the column that owns them; deptype i marks an identity column's.
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       pg_catalog.format_type(s.seqtypid, NULL) AS type_name,
       s.seqstart AS start,
       s.seqincrement AS increment,
       s.seqmin AS minimum,
       s.seqmax AS maximum,
       s.seqcache AS cache,
       s.seqcycle AS cycle,
       c.relpersistence OPERATOR(pg_catalog.=) 'u' AS unlogged,
       d.refobjid AS owner_table,
       d.refobjsubid::pg_catalog.int2 AS owner_column,
       pg_catalog.concat_ws('.', pg_catalog.quote_ident(tn.nspname), pg_catalog.quote_ident(t.relname),
                            pg_catalog.quote_ident(a.attname)) AS owner_name,
       d.deptype OPERATOR(pg_catalog.=) 'i' AS identity
  FROM pg_catalog.pg_sequence AS s
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.seqrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN pg_catalog.pg_depend AS d
    ON d.classid OPERATOR(pg_catalog.=) 1259
   AND d.objid OPERATOR(pg_catalog.=) c.oid
   AND d.objsubid OPERATOR(pg_catalog.=) 0
   AND d.refclassid OPERATOR(pg_catalog.=) 1259
   AND d.refobjsubid OPERATOR(pg_catalog.>) 0
   AND d.deptype IN ('a', 'i')
  LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid OPERATOR(pg_catalog.=) d.refobjid AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid
  LEFT JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) d.refobjid
  LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid OPERATOR(pg_catalog.=) t.relnamespace
 WHERE c.relpersistence OPERATOR(pg_catalog.<>) 't'
   AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'
   AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'
   AND c.oid OPERATOR(pg_catalog.>=) 16384
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid OPERATOR(pg_catalog.=) 1259
          AND e.objid OPERATOR(pg_catalog.=) c.oid
          AND e.deptype OPERATOR(pg_catalog.=) 'e')
 ORDER BY c.oid
