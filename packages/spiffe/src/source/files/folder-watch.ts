import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'

/** Which names in which folders are worth a look, by folder. */
export type Interests = ReadonlyMap<string, readonly ((name: string) => boolean)[]>

/** What came of following interests. */
export interface Following {
  /** A folder is watched that was not before: what happened in it since it was looked at was seen by nobody. */
  readonly isNew: boolean
  /** Why a folder is not watched; undefined when all are. */
  readonly failure: string | undefined
}

/**
 * Watches folders, never files: a watched file that is replaced by renaming is watched on where nobody writes any more.
 * Keeps no process alive.
 */
export class FolderWatch {
  readonly #onChange: () => void
  readonly #watches = new Map<string, Watch>()
  readonly #failures = new Map<string, string>()
  #interests: Interests = new Map()
  #isClosed = false

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Watches these folders, those again that were replaced by others of the same path, and no others any more. */
  async follow(interests: Interests): Promise<Following> {
    this.#interests = interests
    const failures = new Map(this.#failures)
    this.#failures.clear()
    for (const [folder, { watcher }] of this.#watches) {
      if (interests.has(folder)) continue
      watcher.close()
      this.#watches.delete(folder)
    }
    let isNew = false
    for (const folder of interests.keys()) {
      // What failed by itself since the last time waits for the next, or a broken folder would be watched in a circle.
      if (failures.has(folder)) continue
      try {
        isNew = (await this.#watch(folder)) || isNew
      } catch (error) {
        // It was there a moment ago: whoever looks again finds out where the way leads now.
        if (isMissing(error)) isNew = true
        else failures.set(folder, describeFailure(folder, error))
      }
    }
    return { isNew, failure: [...failures.values()][0] }
  }

  close(): void {
    this.#isClosed = true
    for (const { watcher } of this.#watches.values()) watcher.close()
    this.#watches.clear()
  }

  /** Whether it was not watched before. */
  async #watch(folder: string): Promise<boolean> {
    const { dev, ino } = await stat(folder, { bigint: true })
    if (this.#isClosed) return false
    const last = this.#watches.get(folder)
    const identity = `${dev}:${ino}`
    if (last?.identity === identity) return false
    last?.watcher.close()
    this.#watches.delete(folder)
    const watcher = watch(folder, { persistent: false }, (event, name) => this.#look(folder, event, name))
    watcher.on('error', (error) => {
      watcher.close()
      this.#watches.delete(folder)
      this.#failures.set(folder, describeFailure(folder, error))
      this.#onChange()
    })
    this.#watches.set(folder, { watcher, identity })
    return true
  }

  #look(folder: string, event: string, name: string | null): void {
    if (this.#isClosed) return
    const isItself = name === basename(folder)
    // A folder that is moved or deleted says so under its own name and never anything again. Its number may be given to
    // the next folder.
    if (isItself && event === 'rename') {
      this.#watches.get(folder)?.watcher.close()
      this.#watches.delete(folder)
    }
    const accepts = this.#interests.get(folder) ?? []
    if (name === null || isItself || accepts.some((isWorthALook) => isWorthALook(name))) this.#onChange()
  }
}

interface Watch {
  readonly watcher: FSWatcher
  /** Device and number of the folder. */
  readonly identity: string
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function describeFailure(folder: string, error: unknown): string {
  const found = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  const remedy = remedies.get(found)
  return `watching '${folder}': found ${found}, expected to be told of changes in it${remedy === undefined ? '' : `; ${remedy}`}`
}

const remedies: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'raise fs.inotify.max_user_watches'],
  ['EMFILE', 'raise fs.inotify.max_user_instances'],
  ['EACCES', 'let this process read the folder, not only the files in it'],
])
