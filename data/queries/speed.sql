-- Computed tokens per second of every cell, per set-up that computed it, with the largest cache.
SELECT s.task, s.model, s.policy, s.budget, s.length, s.dtype, p.device, p.threads, p.cpu,
       round(sum(s.tokens_in - s.tokens_shared) / nullif(sum(s.seconds), 0.0), 1) AS tokens_per_s,
       max(s.peak_bytes) AS peak_bytes, round(sum(s.seconds), 2) AS seconds, count(*) AS samples
FROM samples s JOIN provenance p ON p.id = s.provenance_id
GROUP BY s.cell_key, p.device, p.threads, p.cpu
ORDER BY s.task, s.model, s.length, s.dtype, s.policy, s.budget;
