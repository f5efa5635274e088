-- Measured time and memory of a sample against length, by model and policy, over what the shortest length took.
WITH cost AS (
  SELECT s.model, s.policy, s.budget, s.task, s.schedule, s.positions, s.dtype, s.length,
         avg(s.seconds) AS seconds, avg(s.tokens_in) AS tokens,
         1e3 * sum(s.seconds) / nullif(sum(s.tokens_in - s.tokens_shared), 0) AS ms_per_token,
         max(s.kv_bytes) AS kv_bytes, max(s.peak_bytes) AS peak_bytes, count(*) AS samples,
         count(DISTINCT p.cpu || p.device || p.threads) AS machines
  FROM samples s JOIN provenance p ON p.id = s.provenance_id
  GROUP BY s.model, s.policy, s.budget, s.task, s.schedule, s.positions, s.dtype, s.length)
SELECT model, policy, budget, task, schedule, positions, dtype, length, round(tokens, 1) AS tokens,
       round(seconds, 4) AS seconds_per_sample, round(ms_per_token, 4) AS ms_per_token,
       round(1.0 * length / first_value(length) OVER line, 3) AS times_length,
       round(seconds / nullif(first_value(seconds) OVER line, 0.0), 3) AS times_seconds,
       kv_bytes, peak_bytes, samples, machines
FROM cost
WINDOW line AS (PARTITION BY model, policy, budget, task, schedule, positions, dtype ORDER BY length)
ORDER BY model, task, policy, budget, schedule, positions, dtype, length;
