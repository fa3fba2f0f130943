-- The user's ordinary, partitioned and foreign tables. Left out: system schemas, temporary tables, members
-- of extensions, but for tables whose rows an extension leaves to the user ("extension", "condition": manual,
-- "Extension Configuration Tables"). An item of "inherits" is a parent's oid, in the order of INHERITS;
-- its name is beside it, for a parent that is not among these tables.
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS name,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       c.relkind::pg_catalog.text AS kind,
       c.relpersistence OPERATOR(pg_catalog.=) 'u' AS unlogged,
       c.reltype AS row_type,
       COALESCE(t.typarray, 0) AS row_array_type,
       CASE WHEN c.reloftype OPERATOR(pg_catalog.<>) 0
            THEN pg_catalog.format_type(c.reloftype, NULL) END AS of_type,
       am.amname AS access_method,
       ts.spcname AS tablespace,
       c.reloptions AS options,
       toast.reloptions AS toast_options,
       COALESCE(inh.parents, '{}') AS parents,
       COALESCE(inh.schemas, '{}') AS parents_schemas,
       COALESCE(inh.names, '{}') AS parents_names,
       c.relispartition AS is_partition,
       CASE WHEN c.relispartition
            THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) END AS bound,
       CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'p'
            THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
       -- May place a row elsewhere on another server: by the hash of an expression, by a hash function of the user, or by the
       -- result of an expression that a locale's library has made ..
       COALESCE(pk.partstrat OPERATOR(pg_catalog.=) 'h' AND (pk.partexprs IS NOT NULL OR EXISTS (
           SELECT FROM pg_catalog.pg_opclass AS oc
            WHERE oc.oid OPERATOR(pg_catalog.=) ANY (pk.partclass::pg_catalog.oid[])
              AND oc.oid OPERATOR(pg_catalog.>=) 16384
       )), false) OR pk.partexprs IS NOT NULL AND locale.collations OPERATOR(pg_catalog.<>) '{}' AS places_apart,
       -- .. or, if the library is another one, by its order or by an equality that only it knows.
       locale.collations AS placing_collations,
       CASE WHEN pk.partstrat OPERATOR(pg_catalog.=) 'h' THEN ARRAY(
           SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
              AND a.attnum OPERATOR(pg_catalog.=) ANY (pk.partattrs::pg_catalog.int2[])
       ) ELSE '{}' END AS hashed_types,
       configuration.extension,
       configuration.condition,
       srv.srvname AS server,
       (SELECT pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name, o.option_value), ', ' ORDER BY o.option_name)
          FROM pg_catalog.pg_options_to_table(ft.ftoptions) AS o) AS foreign_options,
       c.relreplident::pg_catalog.text AS replica_identity,
       c.relrowsecurity AS row_security,
       c.relforcerowsecurity AS row_security_forced
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) c.reltype
  LEFT JOIN pg_catalog.pg_foreign_table AS ft ON ft.ftrelid OPERATOR(pg_catalog.=) c.oid
  LEFT JOIN pg_catalog.pg_foreign_server AS srv ON srv.oid OPERATOR(pg_catalog.=) ft.ftserver
  LEFT JOIN pg_catalog.pg_am AS am ON am.oid OPERATOR(pg_catalog.=) c.relam
  LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid OPERATOR(pg_catalog.=) c.reltablespace
  LEFT JOIN pg_catalog.pg_class AS toast ON toast.oid OPERATOR(pg_catalog.=) c.reltoastrelid
  LEFT JOIN pg_catalog.pg_partitioned_table AS pk ON pk.partrelid OPERATOR(pg_catalog.=) c.oid
  CROSS JOIN LATERAL (SELECT ARRAY(
       SELECT co.oid
         FROM pg_catalog.pg_collation AS co
        WHERE co.oid OPERATOR(pg_catalog.=) ANY (pk.partcollation::pg_catalog.oid[])
          AND (NOT co.collisdeterministic
               OR (pk.partstrat OPERATOR(pg_catalog.=) 'r' OR pk.partexprs IS NOT NULL)
                  AND co.collprovider OPERATOR(pg_catalog.<>) 'b'
                  AND COALESCE(co.collcollate::pg_catalog.text, '') NOT IN ('C', 'POSIX'))
  ) AS collations) AS locale
  LEFT JOIN (
       SELECT u.oid, e.oid AS extension, u.condition
         FROM pg_catalog.pg_extension AS e
        CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) AS u (oid, condition)
  ) AS configuration ON configuration.oid OPERATOR(pg_catalog.=) c.oid AND c.relkind OPERATOR(pg_catalog.=) 'r'
  LEFT JOIN (
       SELECT i.inhrelid,
              pg_catalog.array_agg(i.inhparent ORDER BY i.inhseqno) AS parents,
              pg_catalog.array_agg(pn.nspname::pg_catalog.text ORDER BY i.inhseqno) AS schemas,
              pg_catalog.array_agg(p.relname::pg_catalog.text ORDER BY i.inhseqno) AS names
         FROM pg_catalog.pg_inherits AS i
         JOIN pg_catalog.pg_class AS p ON p.oid OPERATOR(pg_catalog.=) i.inhparent
         JOIN pg_catalog.pg_namespace AS pn ON pn.oid OPERATOR(pg_catalog.=) p.relnamespace
        GROUP BY i.inhrelid
  ) AS inh ON inh.inhrelid OPERATOR(pg_catalog.=) c.oid
 WHERE c.relkind IN ('r', 'p', 'f')
   AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
   AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'
   AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'
   AND c.oid OPERATOR(pg_catalog.>=) 16384
   AND (configuration.oid IS NOT NULL OR NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid OPERATOR(pg_catalog.=) 1259
          AND d.objid OPERATOR(pg_catalog.=) c.oid
          AND d.deptype OPERATOR(pg_catalog.=) 'e'))
 ORDER BY c.oid
