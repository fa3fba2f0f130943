-- Owners of everything that the user made and that has one of its own, each with the words that follow ALTER.
-- Sequences of identity columns and row types of tables have their table's owner; a serial column's sequence is made
-- before its table, and can only be given to a column of its own owner's.
WITH owned AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, c.oid AS object, c.relowner AS owner,
        CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW '
            WHEN 'f' THEN 'FOREIGN TABLE ' ELSE 'TABLE ' END
            || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS subject
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND n.nspname::pg_catalog.text !~ '^pg_'
      AND NOT EXISTS (
          SELECT 1 FROM pg_catalog.pg_depend AS d
          WHERE c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0
            AND d.deptype = 'i')
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typowner,
        CASE WHEN t.typtype = 'd' THEN 'DOMAIN ' ELSE 'TYPE ' END
            || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
    WHERE n.nspname::pg_catalog.text !~ '^pg_'
      AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c'
        OR (t.typtype IN ('b', 'p') AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type AS e WHERE e.typarray = t.oid)))
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, p.proowner,
        CASE p.prokind WHEN 'a' THEN 'AGGREGATE ' WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END
            || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname) || '('
            || CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '*'
                    ELSE pg_catalog.pg_get_function_identity_arguments(p.oid) END || ')'
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname::pg_catalog.text !~ '^pg_'
      AND NOT EXISTS (
          SELECT 1 FROM pg_catalog.pg_depend AS d
          WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'i'
            AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass)
    UNION ALL
    SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, n.nspowner,
        'SCHEMA ' || pg_catalog.quote_ident(n.nspname)
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname::pg_catalog.text !~ '^pg_' AND n.nspname <> 'public'
    UNION ALL
    SELECT 'pg_catalog.pg_largeobject'::pg_catalog.regclass, l.oid, l.lomowner,
        'LARGE OBJECT ' || l.oid::pg_catalog.text
    FROM pg_catalog.pg_largeobject_metadata AS l
    UNION ALL
    -- Kinds whose words after ALTER are those that pg_identify_object says.
    SELECT o.class, o.object, o.owner,
        CASE i.type WHEN 'statistics object' THEN 'STATISTICS'
            WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER'
            ELSE pg_catalog.upper(i.type) END || ' ' || i.identity
    FROM (
        SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass::pg_catalog.oid AS class, oid AS object, collowner AS owner
            FROM pg_catalog.pg_collation
        UNION ALL SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass, oid, conowner FROM pg_catalog.pg_conversion
        UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, oid, oprowner FROM pg_catalog.pg_operator
        UNION ALL SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass, oid, opcowner FROM pg_catalog.pg_opclass
        UNION ALL SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, oid, opfowner FROM pg_catalog.pg_opfamily
        UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, oid, stxowner FROM pg_catalog.pg_statistic_ext
        UNION ALL SELECT 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, oid, dictowner FROM pg_catalog.pg_ts_dict
        UNION ALL SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass, oid, cfgowner FROM pg_catalog.pg_ts_config
        UNION ALL SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, oid, lanowner FROM pg_catalog.pg_language
        UNION ALL SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, fdwowner FROM pg_catalog.pg_foreign_data_wrapper
        UNION ALL SELECT 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid, srvowner FROM pg_catalog.pg_foreign_server
        UNION ALL SELECT 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, oid, evtowner FROM pg_catalog.pg_event_trigger
        UNION ALL SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, oid, pubowner FROM pg_catalog.pg_publication
        UNION ALL SELECT 'pg_catalog.pg_subscription'::pg_catalog.regclass, s.oid, s.subowner FROM pg_catalog.pg_subscription AS s
            JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid AND d.datname = pg_catalog.current_database()
    ) AS o
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.class, o.object, 0) AS i
    WHERE o.object >= 16384
)
SELECT o.class, o.object, r.rolname::pg_catalog.text AS owner, o.subject
FROM owned AS o
JOIN pg_catalog.pg_roles AS r ON r.oid = o.owner
WHERE (o.object >= 16384 OR o.class = 'pg_catalog.pg_largeobject'::pg_catalog.regclass)
  AND o.subject IS NOT NULL
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = o.class AND d.objid = o.object AND d.deptype = 'e')
ORDER BY o.class, o.object;
