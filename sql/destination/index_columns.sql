-- The key columns of the unique index $1 (as to_regclass reads it) in their order, if it is over whole columns and all rows: each
-- with the equality by which this index knows its values, and its collation where that is not the column's. Operators of
-- extensions have to be named; a column without an operator has NULL.
SELECT a.attname::pg_catalog.text AS name,
       e.operator,
       pg_catalog.quote_ident(l_n.nspname) || '.' || pg_catalog.quote_ident(l.collname) AS collation
  FROM pg_catalog.pg_index AS i
 CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]),
                               pg_catalog.unnest(i.indcollation::pg_catalog.oid[]))
      WITH ORDINALITY AS k (attnum, class, coll, at)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
  LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = k.coll AND l.oid <> a.attcollation
  LEFT JOIN pg_catalog.pg_namespace AS l_n ON l_n.oid = l.collnamespace
  LEFT JOIN LATERAL (
       SELECT pg_catalog.quote_ident(o_n.nspname) || '.' || o.oprname AS operator
         FROM pg_catalog.pg_opclass AS oc
         JOIN pg_catalog.pg_am AS am ON am.oid = oc.opcmethod
         JOIN pg_catalog.pg_amop AS ao ON ao.amopfamily = oc.opcfamily AND ao.amoppurpose = 's'
                                      AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
         JOIN pg_catalog.pg_operator AS o ON o.oid = ao.amopopr
                                         AND CASE am.amname WHEN 'btree' THEN ao.amopstrategy = 3 ELSE o.oprname = '=' END
         JOIN pg_catalog.pg_namespace AS o_n ON o_n.oid = o.oprnamespace
        WHERE oc.oid = k.class
        LIMIT 1) AS e ON true
 WHERE i.indexrelid = pg_catalog.to_regclass($1) AND i.indexprs IS NULL AND i.indpred IS NULL AND k.at <= i.indnkeyatts
 ORDER BY k.at
