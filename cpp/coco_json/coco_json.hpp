// Reads COCO JSON straight into columns; Python objects are never made.
//
//   results: image_id, category_id, bbox, score = zip(*[(r["image_id"], ...) for r in json.loads(text)])
//   dataset: the same for d["annotations"], and [i["id"] for i in d["images"]], [c["id"] for c in d["categories"]]
//
// A reader answers only for a regular file: Python's json accepts it with the same values, and every record holds
// every column in the expected type. Anything else (invalid, NaN, 1e400, integers beyond 64 bits, a byte order mark,
// nesting beyond 128, a missing or mistyped field, a caption in the first result) is std::nullopt, and the caller
// takes Python's json. The shapes of a file, masks or keypoints, are read only when asked for. Ids are JSON integers
// within int64 (true is not one), numbers like 1.0 within 2^53, or text, which becomes its place among the texts of its
// column; the ids of a column are all text or none is, those of annotations never. An integer in a bbox or score is at
// most 2^31 in magnitude, in keypoints 2^24, an area 2^53; iscrowd is 0..255, 1.0, true or false. Among equal keys the
// last wins.
// Masks are polygons of over 4 numbers, or counts as text or integers; the text of results must be that of counts.
//
// Cost: one pass of simdjson on all threads; or of plain results and plain records of datasets a third of its time.
// Memory: 72 bytes a record beside the columns, and about 12 chunks a thread. A file that must be read in one piece is
// at most 4 GiB and takes about ten times its size.
//
// How chunks stay exact. The text is cut at commas that stand between `}` and `{`, about every `chunk_bytes`. A chunk
// C between two cuts is parsed as [C]; if that is an array of objects only, the chunk becomes one object {"$":i} in
// the *skeleton*, which keeps all other text; then the skeleton is parsed.
//  1. If the skeleton is valid, so is the file, and its tree is the skeleton's with each {"$":i} replaced by the
//     objects of chunk i. Take the first placeholder: the text before it is the file's own. Were a string open there,
//     the quote of {"$ would close it and $ would be an error; so the placeholder is a value, and a value `{` after
//     `},` can only be an element of an array. A list of objects parses the same in its place and leaves the parser in
//     the same state; repeat for the next placeholder.
//  2. The skeleton's own text has no key "$": its two spellings, "$" and "\u0024", are searched for before.
//  3. Placeholders are accepted only as elements of a table (the array of results, or the last "images",
//     "annotations" or "categories" of the top level), and all must be found there.
// Where a step fails, the file is parsed in one piece and that decides.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/isa.hpp"
#include "core/names.hpp"
#include "core/vector.hpp"

namespace tamis {

enum CocoField : uint32_t {  // which fields a record holds in the expected type
  kCocoId = 1,
  kCocoImageId = 2,
  kCocoCategoryId = 4,
  kCocoBbox = 8,
  kCocoNumber = 16,  // score (results) or area (dataset)
  kCocoIscrowd = 32,
  kCocoCaption = 64,  // of any type
  kCocoShape = 128,   // of the kind that is asked for; of LVIS images their lists, of its categories their frequency
  kCocoHeight = 256,  // of an image, where masks are asked for; both go to its bbox
  kCocoWidth = 512,
  kCocoCount = 1024,  // num_keypoints
  kCocoNoBox = 2048,  // no key "bbox" at all
  kCocoNoMask = 4096,
  kCocoNoIgnore = 8192,
};
constexpr uint32_t as_text(uint32_t ids) { return ids << 16; }   // the fields of these ids that were spelled "1"
constexpr uint32_t as_float(uint32_t ids) { return ids << 20; }  // or 1.0

// The largest integers, in magnitude, that are read as numbers; of keypoints pycocotools squares them exactly.
inline constexpr int64_t kMaxBoxInteger = int64_t{1} << 31, kMaxAreaInteger = int64_t{1} << 53;
inline constexpr int64_t kMaxKeypointInteger = int64_t{1} << 24, kMaxPointInteger = int64_t{1} << 53;

inline constexpr uint32_t kCocoIds = kCocoId | kCocoImageId | kCocoCategoryId;
inline constexpr uint32_t kCocoResultFields = kCocoImageId | kCocoCategoryId | kCocoBbox | kCocoNumber;
inline constexpr uint32_t kCocoAnnotationFields = kCocoResultFields | kCocoId | kCocoIscrowd;

// kLvis: of images the lists of categories that are not there and that are not all marked; of categories the frequency,
// as text; annotations need no iscrowd and must have no key "ignore".
enum class CocoShapes { kNone, kMasks, kKeypoints, kLvis };

struct CocoRecord {
  int64_t id, image_id, category_id;
  double bbox[4];
  double number;
  uint8_t iscrowd;
  uint32_t fields;
};

struct CocoShape {              // of a record
  int64_t text_end, parts_end;  // in its piece
  int64_t extent[2];            // height and width of a mask; number of visible keypoints
  uint32_t area;                // of a result's mask, whose box is the record's
};

// Compressed counts of consecutive masks, stored in own memory or in a slice of a file-sized buffer.
// There each piece stands where its text stood in the file, as unpacked strings are never longer: so they are written
// once, and what is left between pieces stays 0 and untouched.
class CocoText {
 public:
  CocoText() = default;
  CocoText(char* buffer, size_t start) : buffer_(buffer), start_(start) {}

  void append(std::string_view more) {
    if (buffer_ == nullptr)
      own_ += more;
    else
      more.copy(buffer_ + start_ + size_, more.size());
    size_ += more.size();
  }
  void shrink(size_t size) {
    if (buffer_ == nullptr)
      own_.resize(size);
    else
      std::fill(buffer_ + start_ + size, buffer_ + start_ + size_, '\0');
    size_ = size;
  }
  std::string_view view() const { return {buffer_ == nullptr ? own_.data() : buffer_ + start_, size_}; }
  bool in_buffer() const { return buffer_ != nullptr; }
  size_t start() const { return start_; }
  size_t size() const { return size_; }

 private:
  char* buffer_ = nullptr;
  size_t start_ = 0, size_ = 0;
  std::string own_;
};

struct CocoTexts {  // of ids that are text
  Names id, image_id, category_id;
};

struct CocoPiece {
  std::vector<CocoRecord> records;
  uint32_t common = 0xffffffff, any = 0;  // the fields that all of them hold, and that some do
  std::unique_ptr<CocoTexts> texts;       // where an id is one
  std::vector<CocoShape> shapes;          // of each record, if asked for
  CocoText text;
  std::vector<int64_t> part_ends;  // in `numbers`: of polygons, or of a record's keypoints
  std::vector<double> numbers;

  void add(const CocoRecord& record) {
    records.push_back(record);
    common &= record.fields;
    any |= record.fields;
  }
};

// The records of one JSON array in file order, in pieces that are freed as they are copied to columns.
struct CocoTable {
  Vector<CocoPiece> pieces;  // none is empty
  CocoTexts texts;

  int64_t size() const;
  bool all_have(uint32_t fields) const;
  bool any_has(uint32_t fields) const;
  bool alike(uint32_t fields) const { return all_have(fields) || !any_has(fields); }
  void join_texts();  // those of the pieces: ids become places in them
};

struct CocoDataset {  // a table is absent where the file lacks its key
  std::optional<CocoTable> images, annotations, categories;
  bool unique_images = true, unique_ids = true, unique_categories = true;  // no id occurs twice in the table
};

inline constexpr int64_t kCocoChunkBytes = 1 << 18;  // a chunk's tape fits the L2 cache; 1 MiB is 7-20 % slower

// The first `size` bytes of a file, on all threads; false: it is shorter or cannot be read at an offset.
bool read_file(int descriptor, uint8_t* to, int64_t size);

inline constexpr std::string_view kBlank = " \t\n\r";
// The first comma after `from` that stands between `}` and `{`, or npos; and the text between such cuts. The first
// piece is short.
size_t find_cut(std::string_view text, size_t from);
Vector<std::string_view> cut_text(std::string_view text, size_t chunk_bytes);

// Which shapes pycocotools sees in results: those of the first of them, where it has no box.
CocoShapes result_shapes(std::string_view text);
// Results of boxes; or of masks or keypoints, which then have a bbox too. The counts of masks go to `counts`, as many
// zeros as `text` has characters.
std::optional<CocoTable> read_coco_results(std::string_view text, CocoShapes shapes, char* counts,
                                           int64_t chunk_bytes = kCocoChunkBytes);
std::optional<CocoTable> read_shapes_beside_boxes(std::string_view text, CocoShapes shapes,
                                                  int64_t chunk_bytes = kCocoChunkBytes);
// Keypoints where annotations seem to have them: they are read beside the boxes, as few are asked only for these.
CocoShapes dataset_shapes(std::string_view text);
// With masks: those of the annotations, and the sizes of the images; nothing else. With keypoints: also these, where
// all annotations have them.
std::optional<CocoDataset> read_coco_dataset(std::string_view text, CocoShapes shapes,
                                             int64_t chunk_bytes = kCocoChunkBytes);

// Columns of table.size() rows (bbox: 4 a row) that the caller has allocated; a null column is left out.
struct CocoColumns {
  int64_t *id, *image_id, *category_id;
  double *bbox, *number;
  uint8_t* iscrowd;
  // shapes: text and its (n + 1) splits, extents (n, 2), areas; numbers, (parts + 1) splits of them, and (n + 1) splits
  // of the parts
  uint8_t* text;
  int64_t *text_splits, *extent;
  double* area;
  double* numbers;
  int64_t *part_splits, *row_parts;
  uint8_t* integers;  // of plain results
};
struct CocoSizes {
  int64_t text, parts, numbers;
};
CocoSizes shape_sizes(const CocoTable& table);
void write_coco_columns(CocoTable&& table, const CocoColumns& columns);

// Results as most detectors write them: each record has image_id, category_id, score and a bbox, or a mask's size and
// counts, or as many keypoints as the first, each once, in the order of the first, and nothing else. They need no
// simdjson: parts of a file are read one by one and, while they are in the cache, parsed to columns. No text is kept
// but the counts of masks. On anything else (an escape in a key, an integer beyond int64) the reader says no, and
// the general ones decide.
struct PlainSource {
  int descriptor;  // of a file, where text is null
  const char* text;
  int64_t size;
};
struct PlainKind {
  CocoShapes shapes;
  int64_t n_numbers;  // of a record's box or keypoints
  int64_t most_rows;  // that the columns need room for

  // Of a row's `integers`: bit i tells whether number i is one, the last whether the score is.
  int64_t integer_bytes() const { return n_numbers / 8 + 1; }
};
std::optional<PlainKind> plain_kind(const PlainSource& source);  // a guess, which reading verifies
inline constexpr uint8_t kPlainImageId = 0, kPlainCategoryId = 1, kPlainScore = 2, kPlainShape = 3, kPlainFields = 4;
struct PlainOrder {
  uint8_t fields[kPlainFields] = {};
  bool size_first = true;  // of a mask
  bool known = false;

  bool operator==(const PlainOrder&) const = default;
};
struct PlainRead {
  int64_t rows, characters;
  PlainOrder order;
};
// To image_id, category_id, bbox, number, integers, area and what the shape has: numbers; or text, with as much room as
// the source has characters, its splits and extent.
std::optional<PlainRead> read_plain_results(const PlainSource& source, const PlainKind& kind, const CocoColumns& to,
                                            int64_t chunk_bytes = kCocoChunkBytes);

// The numbers of a list: as many of the next `n` as are plain, of up to seven characters. `at` is the bracket or comma
// before the first, with 8 characters before it; `stop` the one after the last. Bits of `integers` come zeroed. None
// where the processor lacks AVX2.
struct ShortNumbers {
  const char* stop;
  int64_t n;
};
TAMIS_KERNEL(take_short_numbers,
             (const char* at, const char* end, int64_t n, double* out, uint8_t* integers, ShortNumbers* taken),
             (at, end, n, out, integers, taken))

// Results of boxes or keypoints whose texts between values are those of the records before them: most files spell all
// alike. `at` is the end of a record's last value; so is `stop`, of the last that was read to its row. None where the
// processor lacks AVX2.
struct AlikeForm {
  char between[kPlainFields][64];  // before each value; before the first from the record before it on
  int64_t size[kPlainFields];      // 1 to 64
  uint8_t fields[kPlainFields];
  int64_t n_numbers, max_integer, integer_bytes;
};
struct AlikeRows {
  const char* stop;
  int64_t n;
};
inline constexpr int kShortSkipped = 15;  // tries of short numbers after one without
TAMIS_KERNEL(read_alike,
             (const char* at, const char* end, const AlikeForm& form, int64_t row, int64_t last, const CocoColumns& to,
              AlikeRows* taken),
             (at, end, form, row, last, to, taken))

TAMIS_KERNEL(count_character, (const char* text, int64_t size, char c, int64_t* n), (text, size, c, n))

// Past a list of numbers, or of such lists: where each number is JSON, of under 16 digits in a row and without an
// exponent, and nothing but perhaps a blank stands after a comma. `at` is its first bracket; null: it is not so.
TAMIS_KERNEL(skip_number_lists, (const char* at, const char* end, const char** stop), (at, end, stop))

// Copies characters up to the first that is a quote, a backslash, below a blank or not ASCII.
TAMIS_KERNEL(copy_printable, (const char* at, const char* end, char* to, const char** stop), (at, end, to, stop))

// Result rows image_id, x, y, w, h, score, category_id, (n, 7), to all columns but iscrowd; ids count from 1, and areas
// are of the rows' own precision. False where an id is NaN or not within 2^53: a row by row look is needed then.
template <class T>
bool write_row_columns(const T* rows, int64_t n, const CocoColumns& columns, T* area);

bool unique_ids(const std::optional<CocoTable>& table);
}  // namespace tamis
