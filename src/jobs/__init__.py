"""Work that outlives its request: a queue in a database, and what takes jobs from it.

`model`: what a job is. `tables`, `migrations`, `database`: where jobs are kept.
`queue`: submit, look up, list, cancel. `leases`: claim, renew, save progress, end.
`runner`: claims jobs in every worker process. `transcriptions`, `speeches`: what it does with them.
`fetch`, `addresses`: recordings from the web, without a way into private networks.
`callbacks`, `signing`: tells receivers that a job has ended.
`expiry`: deletes what is over.
"""
