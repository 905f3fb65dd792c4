// The pictures of the folder: found, liked, compared, gone on with, and as films.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { open } from "./panels";
import {
  type Difference,
  type Picture,
  compared,
  differences,
  onlyFavourites,
  openPicture,
  pictures,
  readOnly,
  refresh,
  rerun,
  setFavourite,
  word,
} from "./state";

const found = signal<Difference[] | null>(null);

function compare(id: string) {
  const others = compared.value.filter((one) => one !== id);
  compared.value = others.length < compared.value.length ? others : [...others.slice(-1), id];
}

function Actions({ picture: { id, name, made, film, resumable, favourite } }: { picture: Picture }) {
  return (
    <div class="actions">
      <button
        type="button"
        aria-pressed={favourite}
        aria-label={`${name} is a favourite`}
        title="Favourite"
        disabled={readOnly.value}
        onClick={() => setFavourite(id, !favourite)}
      >
        {favourite ? "★" : "☆"}
      </button>
      {made && (
        <button type="button" aria-pressed={compared.value.includes(id)} aria-label={`Compare ${name}`} onClick={() => compare(id)}>
          Compare
        </button>
      )}
      {film && (
        <a class="button" href={`/picture/${id}/film`} target="_blank" rel="noreferrer" aria-label={`The film of ${name}`}>
          Film
        </a>
      )}
      {made && !film && !readOnly.value && (
        <button type="button" aria-label={`Make a film of ${name}`} title="Makes the picture again, and a film of it" onClick={() => rerun("film", id)}>
          Make a film
        </button>
      )}
      {resumable && !readOnly.value && (
        <button type="button" aria-label={`Go on with ${name}`} onClick={() => rerun("resume", id)}>
          Go on
        </button>
      )}
    </div>
  );
}

function Card({ picture }: { picture: Picture }) {
  const { id, name, time, size, made } = picture;
  return (
    <li>
      <button type="button" class="card" disabled={!made} title={made ? "Open its config" : "It holds no config"} onClick={() => open(openPicture(id))}>
        <img src={`/picture/${id}/thumbnail?${time}`} alt="" loading="lazy" width={size[0]} height={size[1]} />
        <span>{name}</span>
      </button>
      <a href={`/picture/${id}/image`} target="_blank" rel="noreferrer" aria-label={`${name} in full size`}>
        {size[0]} × {size[1]}
      </a>
      <Actions picture={picture} />
    </li>
  );
}

/** Two pictures, and what is different in their configs. */
function Comparison() {
  const [one, other] = compared.value;
  useEffect(() => {
    found.value = null;
    if (one && other) void differences(one, other).then((answer) => (found.value = answer?.differences ?? null));
  }, [one, other]);
  const names = new Map(pictures.value.map((picture) => [picture.id, picture.name]));
  if (!one) return null;
  return (
    <section class="comparison" aria-label="Comparison">
      <div class="pair">
        {compared.value.map((id) => (
          <figure key={id}>
            <img src={`/picture/${id}/image`} alt={names.get(id) ?? "A picture"} />
            <figcaption>{names.get(id)}</figcaption>
          </figure>
        ))}
        {!other && <p class="empty">Choose another one to compare it with.</p>}
      </div>
      {other && found.value?.length === 0 && <p>Their configs say the same.</p>}
      {other && Boolean(found.value?.length) && (
        <div class="scroll" tabIndex={0} role="group" aria-label="Differences of the configs">
          <table>
            <thead>
              <tr>
                <th scope="col">What differs</th>
                <th scope="col">{names.get(one)}</th>
                <th scope="col">{names.get(other)}</th>
              </tr>
            </thead>
            <tbody>
              {found.value!.map(({ path, before, after }) => (
                <tr key={path}>
                  <th scope="row">{path}</th>
                  <td>{before}</td>
                  <td>{after}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <button type="button" onClick={() => (compared.value = [])}>
        Close
      </button>
    </section>
  );
}

export function Gallery() {
  const search = (event: Event) => {
    word.value = (event.currentTarget as HTMLInputElement).value;
    void refresh();
  };
  const like = () => {
    onlyFavourites.value = !onlyFavourites.value;
    void refresh();
  };
  const nothing = word.value || onlyFavourites.value ? "There is no such picture." : "There are no pictures yet.";
  return (
    <section class="gallery">
      <header>
        <h2>Pictures</h2>
        <div class="choice">
          <button type="button" aria-pressed={onlyFavourites.value} onClick={like}>
            Favourites
          </button>
          <input type="search" aria-label="Search pictures by a word of their name or config" placeholder="Search" value={word} onInput={search} />
        </div>
      </header>
      <Comparison />
      {pictures.value.length === 0 && <p class="empty">{nothing}</p>}
      <ul>
        {pictures.value.map((picture) => (
          <Card key={picture.id} picture={picture} />
        ))}
      </ul>
    </section>
  );
}
