-- A table as changes are written to it: its columns in their order, with what each one's type and value need; one row of
-- NULLs where it has none. $1 schema, $2 table.
-- The equality operator is that of a valid unique index over whole columns that has the column as a key; `search_path` is
-- empty, so operators of extensions have to be named. NULL where no such index has it. A key WITHOUT OVERLAPS is a GiST
-- index, in which the numbers of a family's operators mean what each family likes (3 is && of ranges): there it is the one
-- named =. Beside it the index's collation, where that is not the column's. Of several indexes that of the identity is asked.
SELECT c.relkind::pg_catalog.text AS kind,
       a.attname::pg_catalog.text AS name,
       pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.typname) AS type,
       -- An array of arrays has no elements that are arrays, unnested composites fall apart into columns, and some types have
       -- no array, or separate its elements otherwise.
       t.typcategory IN ('A', 'C') OR t.typarray = 0 OR t.typdelim <> ',' AS as_text,
       b.oid AS base_oid,
       b.modifier AS base_modifier,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS printed,
       -- An INSERT that does not name it fails.
       (a.attnotnull OR b.not_null) AND a.attidentity = '' AND NOT a.atthasdef AND NOT b.has_default AS required,
       a.atttypid AS type_oid,
       a.atttypmod AS modifier,
       a.attgenerated <> '' AS generated,
       a.attidentity = 'a' AS always_identity,
       e.operator AS equality,
       e.collation
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace
  LEFT JOIN LATERAL (
       SELECT pg_catalog.quote_ident(o_n.nspname) || '.' || o.oprname AS operator,
              pg_catalog.quote_ident(l_n.nspname) || '.' || pg_catalog.quote_ident(l.collname) AS collation
         FROM pg_catalog.pg_index AS i
         CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]),
                                       pg_catalog.unnest(i.indcollation::pg_catalog.oid[]))
              WITH ORDINALITY AS k (attnum, class, coll, at)
         JOIN pg_catalog.pg_opclass AS oc ON oc.oid = k.class
         JOIN pg_catalog.pg_am AS am ON am.oid = oc.opcmethod
         JOIN pg_catalog.pg_amop AS ao ON ao.amopfamily = oc.opcfamily AND ao.amoppurpose = 's'
                                      AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
         JOIN pg_catalog.pg_operator AS o ON o.oid = ao.amopopr
                                         AND CASE am.amname WHEN 'btree' THEN ao.amopstrategy = 3 ELSE o.oprname = '=' END
         JOIN pg_catalog.pg_namespace AS o_n ON o_n.oid = o.oprnamespace
         LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = k.coll AND l.oid <> a.attcollation
         LEFT JOIN pg_catalog.pg_namespace AS l_n ON l_n.oid = l.collnamespace
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
          AND k.at <= i.indnkeyatts AND k.attnum = a.attnum
        ORDER BY i.indisreplident DESC, i.indisprimary DESC, i.indexrelid
        LIMIT 1) AS e ON true
  -- What a domain is made of in the end.
  LEFT JOIN LATERAL (
       WITH RECURSIVE made_of AS (
           SELECT t.oid, t.typbasetype AS next, a.atttypmod AS modifier,
                  t.typnotnull AS not_null, t.typdefault IS NOT NULL AS has_default
           UNION ALL
           SELECT n.oid, n.typbasetype, CASE WHEN m.modifier = -1 THEN d.typtypmod ELSE m.modifier END,
                  m.not_null OR n.typnotnull, m.has_default OR n.typdefault IS NOT NULL
             FROM made_of AS m
             JOIN pg_catalog.pg_type AS d ON d.oid = m.oid
             JOIN pg_catalog.pg_type AS n ON n.oid = m.next
            WHERE m.next <> 0)
       SELECT m.oid, m.modifier, m.not_null, m.has_default
         FROM made_of AS m
        WHERE m.next = 0) AS b ON true
 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
 ORDER BY a.attnum
