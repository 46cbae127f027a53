import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'

/** The relevant file names, by folder. */
export type Interests = ReadonlyMap<string, readonly ((name: string) => boolean)[]>

/** The result of updating the watched folders. */
export interface Following {
  /** Whether a folder was not watched before. Changes in it since its files were read may have been missed. */
  readonly isNew: boolean
  /** Why a folder is not watched; undefined if all are. */
  readonly failure: string | undefined
}

/**
 * Watches folders, never files. A watch on a file stays with the old file after a rename replaces it. Does not keep the
 * process alive.
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

  /** Watches exactly these folders. Watches a folder again if another one has replaced it at the same path. */
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
      // A folder whose watch has failed since the last call is skipped until the next one. Otherwise a broken folder
      // would be watched again in a busy loop.
      if (failures.has(folder)) continue
      try {
        isNew = (await this.#watch(folder)) || isNew
      } catch (error) {
        // It existed a moment ago. The caller must resolve the path again to find where it leads now.
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

  /** Returns whether the folder was not watched before. */
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
    // A folder that is moved or deleted reports this once under its own name, and then nothing more. Its inode number
    // can be reused by the next folder.
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
  /** Device and inode number of the folder. */
  readonly identity: string
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function describeFailure(folder: string, error: unknown): string {
  const found = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  const remedy = remedies.get(found)
  return `watching '${folder}': found ${found}, expected notifications of its changes${remedy === undefined ? '' : `; ${remedy}`}`
}

const remedies: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'raise fs.inotify.max_user_watches'],
  ['EMFILE', 'raise fs.inotify.max_user_instances'],
  ['EACCES', 'let this process read the folder and not only the files in it'],
])
