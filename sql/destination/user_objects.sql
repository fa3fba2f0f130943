-- How many objects of users a database holds, of every kind that stands by itself: what a clone would replace.
-- Those that came with the cluster have an oid below 16384, and members of extensions do not count. What belongs to a
-- table, a type or a schema of the system (indexes, triggers, row types, temporary objects) does not count either.
-- Any role may read this. Run in the destination database, read-only.
SELECT pg_catalog.count(*) AS objects
  FROM (
       SELECT c.tableoid, c.oid, c.relnamespace AS namespace
         FROM pg_catalog.pg_class AS c
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
       UNION ALL
       SELECT p.tableoid, p.oid, p.pronamespace FROM pg_catalog.pg_proc AS p
       UNION ALL
       SELECT t.tableoid, t.oid, t.typnamespace
         FROM pg_catalog.pg_type AS t
        WHERE t.typtype IN ('e', 'd', 'r')
           OR t.typtype = 'b' AND NOT (t.typelem <> 0 AND t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc)
           OR t.typtype = 'p' AND NOT t.typisdefined
       UNION ALL
       SELECT n.tableoid, n.oid, n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname <> 'public'
       UNION ALL
       SELECT o.tableoid, o.oid, o.oprnamespace FROM pg_catalog.pg_operator AS o
       UNION ALL
       SELECT o.tableoid, o.oid, o.opfnamespace FROM pg_catalog.pg_opfamily AS o
       UNION ALL
       SELECT o.tableoid, o.oid, o.opcnamespace FROM pg_catalog.pg_opclass AS o
       UNION ALL
       SELECT c.tableoid, c.oid, c.collnamespace FROM pg_catalog.pg_collation AS c
       UNION ALL
       SELECT c.tableoid, c.oid, c.connamespace FROM pg_catalog.pg_conversion AS c
       UNION ALL
       SELECT t.tableoid, t.oid, t.cfgnamespace FROM pg_catalog.pg_ts_config AS t
       UNION ALL
       SELECT t.tableoid, t.oid, t.dictnamespace FROM pg_catalog.pg_ts_dict AS t
       UNION ALL
       SELECT t.tableoid, t.oid, t.prsnamespace FROM pg_catalog.pg_ts_parser AS t
       UNION ALL
       SELECT t.tableoid, t.oid, t.tmplnamespace FROM pg_catalog.pg_ts_template AS t
       UNION ALL
       SELECT c.tableoid, c.oid, 0 FROM pg_catalog.pg_cast AS c
       UNION ALL
       SELECT a.tableoid, a.oid, 0 FROM pg_catalog.pg_am AS a
       UNION ALL
       SELECT l.tableoid, l.oid, 0 FROM pg_catalog.pg_language AS l
       UNION ALL
       SELECT t.tableoid, t.oid, 0 FROM pg_catalog.pg_transform AS t
       UNION ALL
       SELECT e.tableoid, e.oid, 0 FROM pg_catalog.pg_event_trigger AS e
       UNION ALL
       SELECT p.tableoid, p.oid, 0 FROM pg_catalog.pg_publication AS p
       UNION ALL
       SELECT 'pg_catalog.pg_subscription'::pg_catalog.regclass, s.oid, 0
         FROM pg_catalog.pg_subscription AS s
         JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
        WHERE d.datname = pg_catalog.current_database()
       UNION ALL
       SELECT f.tableoid, f.oid, 0 FROM pg_catalog.pg_foreign_data_wrapper AS f
       UNION ALL
       SELECT s.tableoid, s.oid, 0 FROM pg_catalog.pg_foreign_server AS s
       UNION ALL
       SELECT m.tableoid, m.oid, 0 FROM pg_catalog.pg_largeobject_metadata AS m) AS o
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = o.namespace
 WHERE (o.oid >= 16384 OR o.tableoid = 'pg_catalog.pg_largeobject_metadata'::pg_catalog.regclass)
   AND coalesce(n.nspname, '') NOT LIKE 'pg\_%'
   AND coalesce(n.nspname, '') <> 'information_schema'
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = o.tableoid AND d.objid = o.oid AND d.deptype = 'e')
