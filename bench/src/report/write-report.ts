import { mkdir, rm, writeFile } from 'node:fs/promises'
import { readResult } from './kept-results.ts'
import { describeMachine, listPackages } from './machine.ts'
import { formatBudget, formatMarkdown } from './markdown.ts'
import { drawPlot } from './plot.ts'
import type { SuiteResult, Table } from './result.ts'

/** What the report has to know of a suite. */
export interface ReportedSuite {
  readonly name: string
  readonly intro: string
}

/** Writes RESULTS.md and the plots from what each suite measured last. */
export async function writeReport(suites: readonly ReportedSuite[]): Promise<void> {
  const results: SuiteResult[] = []
  const parts: string[] = []
  await rm(plots, { recursive: true, force: true })
  await mkdir(plots, { recursive: true })
  for (const { name, intro } of suites) {
    const result = await readResult(name)
    if (result === undefined) continue
    results.push(result)
    parts.push(`## ${name}`, `${intro} Took ${result.seconds} seconds.`)
    for (const [index, table] of result.tables.entries())
      parts.push(formatMarkdown(table), await plot(table, `${name}-${index + 1}`))
  }
  const text = [await writeHead(), ...parts, '## Budget', budgetNote, formatBudget(results)].join('\n\n')
  await writeFile(new URL('RESULTS.md', bench), `${text}\n`)
}

const bench = new URL('../../', import.meta.url)
const plots = new URL('plots/', bench)

async function plot(table: Table, name: string): Promise<string> {
  await writeFile(new URL(`${name}.svg`, plots), drawPlot(table))
  return `![${table.title}](plots/${name}.svg)`
}

async function writeHead(): Promise<string> {
  return [
    '# What Countersign costs',
    '',
    'Written by `npm run bench`; do not edit. Each figure stands beside the same program without Countersign and, where they exist, beside what people use instead.',
    '',
    ...describeMachine().map((line) => `- ${line}`),
    `- ${(await listPackages()).join(', ')}`,
    '',
    'Subjects take turns, each round beginning with another one, and ratios are taken round by round, so that a slow moment of the machine falls on all of them.',
    'Servers run in processes of their own, started anew several times; their time is the processor time of that whole process, user and system.',
    '*Middle half*: half of all rounds lie in it. *95 % interval*: where the median of a repetition is to be expected, by a bootstrap over processes and rounds.',
    'Ratios carry from one run and one machine to another; absolute figures move with whatever else a machine does.',
  ].join('\n')
}

const budgetNote = 'Held against the median. What is not met is said so, not left out.'
