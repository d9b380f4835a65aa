CREATE TABLE clips (
    path TEXT PRIMARY KEY,
    camera TEXT NOT NULL,
    source TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    found_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    footage_id TEXT,
    start_at REAL,
    end_at REAL,
    parts INTEGER,
    done_at REAL
) STRICT;
CREATE INDEX clips_by_state ON clips (state, camera);
CREATE TABLE cameras (
    camera TEXT PRIMARY KEY,
    link TEXT NOT NULL DEFAULT '',
    fault TEXT NOT NULL DEFAULT '',
    faults INTEGER NOT NULL DEFAULT 0,
    footage_s REAL NOT NULL DEFAULT 0,
    work_s REAL NOT NULL DEFAULT 0,
    tracklets INTEGER NOT NULL DEFAULT 0,
    share REAL NOT NULL DEFAULT 0,
    last_at REAL,
    changed_at REAL
) STRICT;
PRAGMA user_version = 1;
INSERT INTO clips (path, camera, source, size, modified_ns, state, found_at, footage_id,
    start_at, end_at, parts, done_at)
    VALUES ('/clips/BC-00008_a.mp4', 'BC-00008', '/clips', 9, 1, 'done', 1790000000.0,
        'first-release', 1790000000.0, 1790000060.0, 1, 1790000100.0),
    ('/clips/BC-00008_b.mp4', 'BC-00008', '/clips', 9, 1, 'running', 1790000000.0,
        NULL, NULL, NULL, NULL, NULL);
INSERT INTO cameras (camera, footage_s, work_s, tracklets, share, last_at)
    VALUES ('BC-00008', 60.0, 20.0, 5, 20.0, 1790000060.0);
