DELETE FROM relay_member WHERE seen_until < now() - interval '1 day' RETURNING owner
