import { MeasuredProcess } from '../measure/child-process.ts'
import { isObject } from '../measure/is-object.ts'
import type { HoldTask } from './connection-task.ts'

/** Open connections, held by separate processes. */
export interface HeldConnections {
  close(): Promise<void>
}

/** Opens the given number of connections, distributed over client processes. */
export async function holdConnections(task: HoldTask): Promise<HeldConnections> {
  const file = new URL('./hold-connections.js', import.meta.url)
  const shares = Array.from({ length: holders }, (_, index) => Math.floor((task.count + index) / holders))
  const started = await Promise.all(shares.map((count) => MeasuredProcess.start(file, { ...task, count })))
  return {
    close: async () => {
      await Promise.all(started.map(({ process }) => process.stop()))
    },
  }
}

/** The requested number of connections, or the maximum that the system allows one process. */
export function limitConnections(wanted: number): number {
  const report: unknown = process.report.getReport()
  const limits: unknown = isObject(report) ? Reflect.get(report, 'userLimits') : undefined
  const files: unknown = isObject(limits) ? Reflect.get(limits, 'open_files') : undefined
  const soft: unknown = isObject(files) ? Reflect.get(files, 'soft') : undefined
  const most = Number(soft)
  return Number.isFinite(most) ? Math.min(wanted, most - spareFiles) : wanted
}

const holders = 4

// File descriptors that a process needs for other purposes.
const spareFiles = 200
