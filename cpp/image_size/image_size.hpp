// Width and height of image files, from their headers: no pixel is decoded.
//
//   sizes[i] = PIL.ImageOps.exif_transpose(PIL.Image.open(paths[i])).size       # width, height
//
// PNG, JPEG, BMP, GIF, WebP and TIFF, recognised by their first bytes, whatever the file is called. A JPEG whose EXIF
// orientation is 5 to 8 lies on its side: its size is that of the upright picture, as viewers and label tools have it.
// Sizes are in [1, 2**31). A file without one has sizes (0, 0) and says why in `status`.
//
// Cost: open, one read of 4 KB and close; a JPEG with large metadata takes a read a segment. Files in parallel.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tamis {

enum class ImageStatus : uint8_t { kRead = 0, kMissing = 1, kUnknown = 2, kBroken = 3 };

// (files, 2) width and height into `sizes`, (files,) into `status`.
void read_image_sizes(const std::vector<std::string>& paths, int64_t* sizes, uint8_t* status);
}  // namespace tamis
