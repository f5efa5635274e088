-- Which program, machine and command each row comes from.
SELECT id, samples, version, substr(git_commit, 1, 12) AS git_commit, git_dirty, compiler, flags,
       torch_version, cpu, device, threads, host, kernel, first_sample, last_sample, command
FROM provenance
ORDER BY id;
